"""The engine's public face over an OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama. The engine's only HTTP. Imports no torch."""

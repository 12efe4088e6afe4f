"""Text to prompts: chunks of tokens, their headers, and the way back from a token or character to its place."""

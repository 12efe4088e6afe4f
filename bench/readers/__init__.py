"""Ways from files to text or prompts, each in a process of its own (bench.process): ours, and its peers."""

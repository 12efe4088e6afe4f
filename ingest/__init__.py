"""Files to prompts. No ORM, no HTTP, no Celery: paths and plain data in, files and plain data out."""

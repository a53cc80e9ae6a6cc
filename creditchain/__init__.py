"""creditchain: credit information across institutions, on a log anyone can verify."""

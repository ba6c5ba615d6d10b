"""Arguments, files, tables and settings that every room uses."""

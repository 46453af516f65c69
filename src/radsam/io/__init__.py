"""Files in and out; the only package that knows formats. Import its modules."""

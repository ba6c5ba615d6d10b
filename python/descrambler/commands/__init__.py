"""What the commands do: one module for each group, which adds its parsers and runs them."""

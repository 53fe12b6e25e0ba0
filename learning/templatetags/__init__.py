"""How what the model asks is written on pages."""

"""Reports: taken in, screened, decided, followed, and told about until they are truly mended."""

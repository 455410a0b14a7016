"""The page in a browser. A package, so that one browser and one cluster serve all of its tests."""

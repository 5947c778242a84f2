"""One kernel kind a file: what it computes, its tile, how it is scheduled."""

"""The rotation group: charts, rotations, and the modes of the link axis."""

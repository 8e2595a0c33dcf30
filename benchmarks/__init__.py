"""Measurements that people start by hand: each module is one, and README.md says what it found."""

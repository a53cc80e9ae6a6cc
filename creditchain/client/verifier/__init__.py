"""The verifiers that go into every evidence bundle; they stand alone and import nothing of ours."""

"""Which parts of the recipe matter: factors and their arms, runs that go on where they were stopped, a report."""

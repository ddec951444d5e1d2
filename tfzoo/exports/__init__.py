"""A model out to where it runs: in the forms of other runtimes, verified before they are named."""

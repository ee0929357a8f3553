"""The pages of the workbench; each draws, none computes."""

"""The two faces of the workbench, the browser and the command line, over one set of use cases."""

"""Networks: layers (functions), blocks (modules of one idea) and nets (assemblies)."""

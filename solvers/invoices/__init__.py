"""Invoice prioritization: which invoice is paid on which date."""

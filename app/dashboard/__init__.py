"""The pages for a browser: rendered here, readable without JavaScript, asking no other host for anything."""

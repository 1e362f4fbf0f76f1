"""The comparison: engines that find the differences, and the one step that publishes them as three reports."""

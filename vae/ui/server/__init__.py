"""What stands between visitors and the page: bounds, the guard, turns, files, and launching it all."""

"""Does a fit end at the best normal of its family? 14 posteriors, 5 methods, one scorer."""

"""HTTP only: routes, the shapes of requests and answers, and what an error becomes."""

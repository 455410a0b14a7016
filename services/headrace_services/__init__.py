"""The services: primes, images and calls, and the interface for services of third parties."""

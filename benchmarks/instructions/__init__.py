"""The instructions that an inference takes on arm64, counted under qemu: exact, repeatable, and free of timing."""

"""The suites that come with aexbench, one TOML file each."""

"""The `int8` backend: encoders whose linear layers multiply 8-bit integers on the CPU (VNNI), one model a judge."""

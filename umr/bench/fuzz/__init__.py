"""Damaged files, rows, addresses and requests by the thousand, and what readers make of them. Not how good results are.

    python -m umr.bench fuzz [--seconds 60] [--only KIND] [--seed 0]

Every kind of what strangers can send (umr.bench.fuzz.kinds) is made soundly, damaged (damage), and read in a process
of its own (judge), whose end, delay or memory is a fault as much as an exception that is no refusal in words.
"""

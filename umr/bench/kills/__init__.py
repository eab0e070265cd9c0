"""Commands that are cut off at random points, then given again: the result must be the same. Not how long they take.

    python -m umr.bench kills [--count 50] [--what index|add|train|world|pack]
                              [--trouble kill|full|readonly|vanish|change|clock|two]

umr.bench.kills.deeds says what is done and what must be equal afterwards, trouble what comes in between.
"""

#!/usr/bin/python3
"""Make weather.csv: one made-up year at a place that does not exist.

	examples/analyse/data/make.py >examples/analyse/data/weather.csv

The same numbers come out each time: a season's curve, weather that lasts some
days, and chance from a fixed seed.
"""

import datetime
import math
import random

SEED = 2025
FIRST = datetime.date(2025, 1, 1)


def main():
    chance = random.Random(SEED)
    drift = 0.0
    print("date,low_c,high_c,rain_mm,wind_kmh")
    for day in range(365):
        date = FIRST + datetime.timedelta(days=day)
        season = -math.cos(2 * math.pi * (day - 20) / 365)
        drift = 0.75 * drift + chance.gauss(0, 2.2)
        wet = chance.random() < 0.42 - 0.10 * season
        rain = chance.expovariate(1 / (4.5 + 1.5 * season)) if wet else 0.0
        middle = 9.5 + 9.0 * season + drift - (1.5 if wet else 0.0)
        spread = max(2.0, chance.gauss(4.2 + 1.6 * season, 1.1))
        wind = 9 + (6 if wet else 0) + chance.expovariate(1 / 7)
        print("%s,%.1f,%.1f,%.1f,%.0f" % (date, middle - spread,
                                          middle + spread, rain, wind))


if __name__ == "__main__":
    main()

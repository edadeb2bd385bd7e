#!/usr/bin/python3
"""Makes the CSV files of Hansa Handel, the demo company. Same seed, same files: run it again only
to change the company, and commit what it writes.
"""
import csv
import itertools
import pathlib
import random
from decimal import ROUND_HALF_UP, Decimal

HERE = pathlib.Path(__file__).resolve().parent
SEED = 1356  # The first general Hansetag, Lübeck.
PRODUCTS = 500
CUSTOMERS = 200

CATEGORIES = [
    ("FAST", "Fasteners"),
    ("TOOL", "Hand tools"),
    ("SAFE", "Workwear and safety"),
    ("PACK", "Packaging"),
    ("OFFI", "Office supplies"),
    ("BOOK", "Trade books"),
    ("CAFE", "Coffee, tea and pantry"),
    ("CHAN", "Ship chandlery"),
    ("SERV", "Services"),
]

# One row: category, code, name with {} for the variant, variants, unit, net price of the first
# variant, factor from one variant to the next, tax rate.
FAMILIES = [
    ("FAST", "HB", "Hexagon bolt {} zinc plated",
     [f"M{d} x {l}" for d in (5, 6, 8, 10, 12) for l in (20, 30, 40, 50, 60, 80)],
     "pcs", "0.0625", "1.09", 19),
    ("FAST", "HN", "Hexagon nut {} stainless A2", ["M4", "M5", "M6", "M8", "M10", "M12", "M16"],
     "pcs", "0.0185", "1.42", 19),
    ("FAST", "FW", "Flat washer {} stainless A2", ["M4", "M5", "M6", "M8", "M10", "M12", "M16"],
     "pcs", "0.0120", "1.35", 19),
    ("FAST", "WS", "Wood screw {} countersunk, Torx",
     [f"{d} x {l} mm" for d in ("3.5", "4.0", "4.5", "5.0", "6.0") for l in (30, 40, 50, 60, 80)],
     "pcs", "0.0245", "1.06", 19),
    ("FAST", "AN", "Nylon wall plug {}", ["5 mm", "6 mm", "8 mm", "10 mm", "12 mm", "14 mm"],
     "pcs", "0.0315", "1.38", 19),
    ("FAST", "CT", "Cable tie {} black",
     [f"{l} x {w} mm" for l, w in ((100, "2.5"), (140, "3.6"), (200, "4.8"), (300, "4.8"),
                                   (370, "7.6"), (540, "7.6"))],
     "pcs", "0.0175", "1.55", 19),
    ("FAST", "TR", "Threaded rod {} zinc plated, 1 m", ["M6", "M8", "M10", "M12", "M16", "M20"],
     "pcs", "0.8900", "1.48", 19),
    ("TOOL", "CS", "Combination spanner {}", [f"{s} mm" for s in range(6, 33)],
     "pcs", "3.45", "1.06", 19),
    ("TOOL", "SD", "Screwdriver {}",
     ["slotted 3.5", "slotted 5.5", "slotted 6.5", "PH1", "PH2", "PH3", "PZ1", "PZ2", "TX10",
      "TX15", "TX20", "TX25", "TX30"], "pcs", "3.20", "1.05", 19),
    ("TOOL", "HM", "Engineer's hammer {}", ["200 g", "300 g", "500 g", "800 g", "1000 g", "1500 g"],
     "pcs", "8.90", "1.18", 19),
    ("TOOL", "DR", "HSS twist drill {}", [f"{i / 2:.1f} mm" for i in range(2, 27)],
     "pcs", "0.78", "1.08", 19),
    ("TOOL", "PL", "{}",
     ["Combination pliers 180 mm", "Side cutters 160 mm", "Water pump pliers 250 mm",
      "Needle-nose pliers 200 mm", "Wire strippers 160 mm", "Locking pliers 250 mm"],
     "pcs", "12.90", "1.11", 19),
    ("TOOL", "TM", "Tape measure {}", ["2 m", "3 m", "5 m", "8 m", "10 m", "30 m"],
     "pcs", "2.95", "1.45", 19),
    ("TOOL", "SW", "Hand saw {}", ["350 mm", "400 mm", "450 mm", "500 mm", "550 mm"],
     "pcs", "11.50", "1.12", 19),
    ("TOOL", "HK", "Hex key {} mm", ["1.5", "2", "2.5", "3", "4", "5", "6", "8"],
     "pcs", "0.8450", "1.16", 19),
    ("TOOL", "LV", "Spirit level {}", ["40 cm", "60 cm", "80 cm", "100 cm", "120 cm", "180 cm"],
     "pcs", "14.80", "1.22", 19),
    ("SAFE", "GL", "Work gloves {}",
     [f"{k} size {s}" for k in ("nitrile", "leather", "cut-resistant C") for s in (8, 9, 10, 11)],
     "pair", "2.35", "1.11", 19),
    ("SAFE", "SH", "Safety shoes S3 size {}", [str(s) for s in range(38, 49)],
     "pair", "64.90", "1.00", 19),
    ("SAFE", "VE", "High-visibility vest {}",
     [f"{c} {s}" for c in ("yellow", "orange") for s in ("M", "L", "XL", "XXL")],
     "pcs", "4.95", "1.02", 19),
    ("SAFE", "TS", "Work trousers {}", [f"{c} {s}" for c in ("navy", "grey") for s in
                                        (46, 48, 50, 52, 54, 56)], "pcs", "39.90", "1.01", 19),
    ("SAFE", "JK", "Softshell jacket {}", ["S", "M", "L", "XL", "XXL", "3XL"],
     "pcs", "59.50", "1.02", 19),
    ("SAFE", "HL", "Safety helmet {}", ["white", "yellow", "blue", "red"],
     "pcs", "11.90", "1.00", 19),
    ("SAFE", "EP", "{}", ["Ear plugs, 200 pairs", "Ear muffs SNR 28", "Safety glasses clear",
                          "Safety glasses tinted", "FFP2 mask, box of 20",
                          "First aid kit DIN 13157"],
     "pcs", "16.40", "1.08", 19),
    ("PACK", "BX", "Folding carton {}",
     [f"{l} x {w} x {h} mm" for l, w, h in itertools.product((200, 300, 400, 600), (150, 200, 300),
                                                             (100, 200))],
     "pcs", "0.3850", "1.05", 19),
    ("PACK", "TP", "Packing tape {}",
     ["brown 50 mm", "clear 50 mm", "paper 50 mm", "fragile 50 mm"], "pcs", "1.4900", "1.17", 19),
    ("PACK", "BW", "Bubble wrap {}", ["0.5 x 50 m", "1.0 x 50 m", "1.2 x 100 m"],
     "pcs", "14.9000", "1.85", 19),
    ("PACK", "SF", "Stretch film {}", ["clear 17 µm", "clear 23 µm", "black 23 µm"],
     "pcs", "6.7500", "1.21", 19),
    ("PACK", "EB", "Padded envelope {}", ["A/11", "C/13", "D/14", "E/15", "F/16", "G/17", "K/20"],
     "pcs", "0.1450", "1.24", 19),
    ("PACK", "PA", "{}", ["Euro pallet, new", "Euro pallet, used A", "Pallet collar 200 mm",
                          "Pallet lid plywood"], "pcs", "14.80", "1.14", 19),
    ("CHAN", "RO", "Mooring rope polyester {}",
     ["8 mm", "10 mm", "12 mm", "14 mm", "16 mm", "18 mm", "20 mm", "24 mm", "28 mm", "32 mm"],
     "m", "1.1500", "1.31", 19),
    ("CHAN", "CH", "Chain galvanised {}", ["4 mm", "6 mm", "8 mm", "10 mm", "13 mm", "16 mm"],
     "m", "2.9500", "1.52", 19),
    ("CHAN", "SK", "Bow shackle stainless {}",
     ["4 mm", "5 mm", "6 mm", "8 mm", "10 mm", "12 mm", "16 mm", "20 mm"],
     "pcs", "1.85", "1.55", 19),
    ("CHAN", "BL", "Block {}",
     [f"{k} {w} mm" for k in ("single", "double", "triple") for w in (25, 40, 60)],
     "pcs", "9.80", "1.16", 19),
    ("CHAN", "FE", "Fender {}", ["F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8"],
     "pcs", "24.50", "1.34", 19),
    ("CHAN", "PT", "Boat paint {}",
     [f"{c}, {k}" for k in ("gloss", "satin", "antifouling") for c in
      ("white", "grey", "navy", "red", "green", "black")], "l", "18.9000", "1.02", 19),
    ("CHAN", "TH", "Thinner and cleaner {}", ["type A", "type B", "teak", "bilge"],
     "l", "7.4500", "1.12", 19),
    ("CHAN", "LT", "{}",
     ["Navigation light port", "Navigation light starboard", "Navigation light stern",
      "Anchor light LED", "Deck floodlight 24 V", "Hand lamp waterproof", "Signal torch"],
     "pcs", "32.40", "1.09", 19),
    ("CHAN", "AK", "Anchor {}", ["6 kg", "10 kg", "16 kg", "20 kg", "25 kg", "35 kg"],
     "pcs", "58.00", "1.36", 19),
    ("CHAN", "SR", "{}",
     ["Life jacket 100 N", "Life jacket 150 N", "Life jacket 275 N", "Lifebuoy with light",
      "Heaving line 30 m", "Boat hook 2.1 m", "Sea rescue flare set", "Fire blanket 1.2 x 1.8 m",
      "Bosun's chair", "Ship's bell 150 mm"], "pcs", "42.50", "1.10", 19),
    ("OFFI", "PP", "Copy paper {}, 500 sheets", ["A4 80 g", "A4 90 g", "A4 recycled", "A3 80 g"],
     "pcs", "4.49", "1.28", 19),
    ("OFFI", "BP", "Ballpoint pen {}",
     [f"{k} {c}" for k in ("fine", "medium") for c in ("blue", "black", "red", "green")],
     "pcs", "0.4250", "1.03", 19),
    ("OFFI", "FO", "Lever arch file {}",
     [f"{w} {c}" for w in ("50 mm", "80 mm") for c in ("black", "blue", "red", "green", "grey")],
     "pcs", "1.89", "1.02", 19),
    ("OFFI", "TN", "Toner cartridge {}",
     [f"{m} {c}" for m in ("HT-26", "HT-59", "HT-117", "HT-207") for c in
      ("black", "cyan", "magenta", "yellow")], "pcs", "54.90", "1.03", 19),
    ("OFFI", "NB", "Notebook {}", ["A6 lined", "A5 lined", "A5 squared", "A4 lined", "A4 squared"],
     "pcs", "1.95", "1.17", 19),
    ("OFFI", "LB", "Label roll {}", ["38 x 25 mm", "57 x 32 mm", "89 x 36 mm", "102 x 150 mm"],
     "pcs", "7.8500", "1.19", 19),
    ("OFFI", "AC", "{}",
     ["Stapler 30 sheets", "Staples 24/6, 1000", "Hole punch 25 sheets", "Desk lamp LED",
      "Waste bin 18 l", "Whiteboard 90 x 60 cm", "Board markers, set of 4", "Sticky notes 76 mm",
      "Scissors 21 cm", "Ruler 30 cm", "Desk calculator 12 digits", "Rubber bands 100 g"],
     "pcs", "5.60", "1.09", 19),
    ("BOOK", "BK", "{}",
     ["Handbook of Metal Tables", "Warehouse Practice", "Ladders and Scaffolds Safely Used",
      "Bookkeeping for Traders", "Incoterms in Practice", "Customs Tariff Guide",
      "The Sea Trade of Lübeck", "First Aid at Work", "Forklift Driver's Guide",
      "Purchasing from A to Z", "Sales Talks that Work", "VAT Step by Step",
      "Packing Dangerous Goods", "Lean Storage", "Hamburg Port Atlas"],
     "pcs", "18.90", "1.05", 7),
    ("CAFE", "CO", "Coffee {}",
     [f"{k} {w}" for k in ("Hanse Crema", "Speicherstadt Espresso", "Kontor Filter", "Decaf")
      for w in ("250 g", "500 g", "1 kg")], "pcs", "4.79", "1.13", 7),
    ("CAFE", "TE", "Tea {}",
     [f"{k} {w}" for k in ("East Frisian", "Darjeeling", "Earl Grey", "Sencha", "Peppermint",
                           "Rooibos") for w in ("100 g", "250 g")], "pcs", "3.95", "1.06", 7),
    ("CAFE", "PN", "{}",
     ["Cane sugar sticks, 500", "Coffee creamer, 240 x 7.5 g", "Butter biscuits 400 g",
      "Marzipan loaf 125 g", "Ginger biscuits 300 g", "Oat drink 1 l", "Whole milk UHT 1 l",
      "Cocoa powder 250 g", "Muesli 750 g", "Apple rings dried 200 g", "Honey 500 g"],
     "pcs", "2.15", "1.12", 7),
    ("SERV", "SV", "{}",
     ["Fitting and assembly", "On-site measuring", "Tool sharpening", "Engraving per piece",
      "Express handling", "Freight flat rate inland", "Pallet exchange"],
     "pcs", "14.50", "1.27", 19),
    ("SERV", "SX", "{}",
     ["Freight to third countries", "Export declaration", "Certificate of origin",
      "Transport insurance abroad", "ATA carnet handling"], "pcs", "28.00", "1.21", 0),
]

# Company names: a surname or place, a trade, a legal form that fits the country.
PLACES = [
    # region, country, language, towns with postal codes
    ("north", "DE", "de", [("Hamburg", "20457"), ("Lübeck", "23552"), ("Bremen", "28195"),
                           ("Kiel", "24103"), ("Rostock", "18055"), ("Stralsund", "18439"),
                           ("Wismar", "23966"), ("Lüneburg", "21335")]),
    ("west", "DE", "de", [("Köln", "50667"), ("Dortmund", "44135"), ("Soest", "59494"),
                          ("Münster", "48143"), ("Düsseldorf", "40213"), ("Wesel", "46483")]),
    ("south", "DE", "de", [("Nürnberg", "90402"), ("Augsburg", "86150"), ("Stuttgart", "70173"),
                           ("München", "80331"), ("Ulm", "89073")]),
    ("east", "DE", "de", [("Berlin", "10178"), ("Magdeburg", "39104"), ("Leipzig", "04109"),
                          ("Stendal", "39576"), ("Dresden", "01067")]),
    ("abroad", "NL", "nl", [("Deventer", "7411"), ("Kampen", "8261"), ("Zwolle", "8011")]),
    ("abroad", "SE", "sv", [("Visby", "62157"), ("Kalmar", "39231")]),
    ("abroad", "NO", "nb", [("Bergen", "5003")]),
    ("abroad", "EE", "et", [("Tallinn", "10130"), ("Tartu", "51003")]),
    ("abroad", "LV", "lv", [("Riga", "1050")]),
    ("abroad", "PL", "pl", [("Gdańsk", "80831"), ("Toruń", "87100")]),
    ("abroad", "CN", "zh-Hans", [("上海", "200001"), ("宁波", "315000")]),
]
PLACE_WEIGHTS = [90, 40, 25, 25, 6, 4, 2, 3, 2, 4, 4]
FORMS = {"DE": ["GmbH", "GmbH & Co. KG", "KG", "OHG", "AG"], "NL": ["B.V."], "SE": ["AB"],
         "NO": ["AS"], "EE": ["OÜ"], "LV": ["SIA"], "PL": ["Sp. z o.o."], "CN": ["有限公司"]}
NAMES = {
    "DE": ["Albers", "Brandt", "Carstens", "Dierksen", "Evers", "Feddersen", "Grote", "Harms",
           "Ingwersen", "Jessen", "Kruse", "Lorenzen", "Martens", "Niemann", "Ohlsen", "Petersen",
           "Quast", "Rickmers", "Schröder", "Thode", "Ulrichs", "Voss", "Wulf", "Zander", "Behrens",
           "Clausen", "Detlefsen", "Eggers", "Friedrichs", "Gerdes", "Hinrichs", "Jacobs"],
    "NL": ["De Vries", "Van Dijk", "Bakker", "Visser", "Smit"],
    "SE": ["Lindqvist", "Bergström", "Sandberg"],
    "NO": ["Haugen", "Solberg"],
    "EE": ["Tamm", "Saar", "Kask"],
    "LV": ["Ozols", "Kalniņš"],
    "PL": ["Kowalski", "Zieliński", "Nowak"],
    "CN": ["华港", "东海", "汉萨", "远航"],
}
TRADES = {
    "DE": ["Metallbau", "Tischlerei", "Elektrotechnik", "Schiffsausrüstung", "Bauservice",
           "Maschinenbau", "Logistik", "Haustechnik", "Hafendienste", "Zimmerei", "Bürobedarf",
           "Anlagenbau", "Gerüstbau", "Bootswerft"],
    "NL": ["Scheepsbouw", "Techniek", "Handel"],
    "SE": ["Bygg", "Verkstad"],
    "NO": ["Marine", "Verft"],
    "EE": ["Ehitus", "Kaubandus"],
    "LV": ["Metāls", "Serviss"],
    "PL": ["Stocznia", "Narzędzia", "Handel"],
    "CN": ["船舶用品", "进出口贸易", "五金工具"],
}
STREETS = {
    "DE": ["Hafenstraße", "Speicherweg", "Am Markt", "Industriestraße", "Lange Reihe",
           "Salzstraße", "Mühlendamm", "Koggenweg"],
    "NL": ["Havenstraat", "IJsselkade"], "SE": ["Hamngatan", "Strandgatan"], "NO": ["Bryggen"],
    "EE": ["Pikk tänav"], "LV": ["Kaļķu iela"], "PL": ["ulica Długa", "ulica Portowa"],
    "CN": ["中山路", "人民路"],
}
PAYMENT_DAYS = [14, 30, 30, 30, 45, 60]

# The customers of the story that scripts/demo/play tells: name, credit limit, what they owe us.
STORY = [("Petersen Schiffsausrüstung", "25000.00", Decimal("0.00")),
         ("Kruse Bootswerft", "2000.00", Decimal("1650.00"))]
# How many of the other customers owe us something on the opening day.
DEBTORS = 18

# Accounts that the standard chart lacks, and what is on all of them but stock, which the opening
# stock books itself. Equity is what is left.
ACCOUNTS = [("0400", "Warehouse and office equipment", "asset"),
            ("0630", "Bank loans", "liability")]
EQUIPMENT = Decimal("48500.00")
CASH = Decimal("912.80")
BANK = Decimal("86240.37")
LOANS = Decimal("35000.00")


def price_of(first, factor, index):
    """Rounded to the digits of the first variant's price."""
    first = Decimal(first)
    return (first * Decimal(factor) ** index).quantize(first, ROUND_HALF_UP)


def products(random):
    rows = []
    for category, prefix, name, variants, uom, first, factor, tax in FAMILIES:
        service = category == "SERV"
        for index, variant in enumerate(variants):
            price = price_of(first, factor, index)
            margin = Decimal(random.randint(28, 46)) / 100
            cost = (price * (1 - margin)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
            rows.append({
                "code": f"{prefix}-{index + 1:03d}",
                "name": name.format(variant),
                "kind": "service" if service else "goods",
                "uom": uom,
                "category": category,
                "price": price,
                "tax_rate": tax,
                "cost": "" if service else cost,
            })
    if len(rows) != PRODUCTS:
        raise SystemExit(f"the families make {len(rows)} products, wanted are {PRODUCTS}")
    return rows


def company_name(random, country):
    name, trade = random.choice(NAMES[country]), random.choice(TRADES[country])
    form = random.choice(FORMS[country])
    return (f"{name}{trade}", form) if country == "CN" else (f"{name} {trade}", f" {form}")


def party(random, number, place, name, form):
    region, country, language, towns = place
    town, postal_code = random.choice(towns)
    return {
        "number": number,
        "kind": "company",
        "name": name,
        "legal_name": name + form,
        "email": f"buero@{number.lower()}.example",
        "language": language,
        "country": country,
        "region": region,
        "note": f"{random.choice(STREETS[country])} {random.randint(1, 120)}, {postal_code} {town}",
    }


def parties(random):
    """Numbered as the old books number debtors; the numbers Kontor gives start with P."""
    numbers = (f"D{10001 + index}" for index in range(CUSTOMERS))
    rows = [party(random, next(numbers), PLACES[0], name, " GmbH") for name, _, _ in STORY]
    used = {row["name"] for row in rows}
    for number in numbers:
        name = None
        while name is None or name in used:
            place = random.choices(PLACES, PLACE_WEIGHTS)[0]
            name, form = company_name(random, place[1])
        used.add(name)
        rows.append(party(random, number, place, name, form))
    return rows


def customers(random, party_rows):
    rows = []
    for party in party_rows:
        segment = random.choices("abc", [15, 45, 40])[0]
        limit = {"a": (20, 60), "b": (5, 20), "c": (1, 5)}[segment]
        rows.append({
            "number": party["number"],
            "party": party["number"],
            "credit_limit": f"{random.randint(*limit) * 1000}.00",
            "payment_days": random.choice(PAYMENT_DAYS),
            "segment": segment,
            "since": f"{random.randint(2009, 2025)}-{random.randint(1, 12):02d}-01",
        })
    for row, (_, story_limit, _) in zip(rows, STORY):
        row.update(credit_limit=story_limit, segment="b")
    return rows


def opening_stock(random, product_rows):
    """One stock move from the location of opening stock into the warehouse."""
    rows = []
    for product in product_rows:
        if product["kind"] == "service":
            continue
        cheap = Decimal(product["price"]) < 1
        quantity = random.randint(8, 60) * 100 if cheap else random.randint(10, 120)
        rows.append(("opening", "Opening stock", product["code"], "OPENING", "MAIN/STOCK",
                     quantity, product["cost"]))
    return rows


def opening_balances(random, customer_rows):
    """One journal entry: debits equal credits, and every receivable says whose it is."""
    receivables = [(row["party"], owed) for row, (_, _, owed) in zip(customer_rows, STORY) if owed]
    for row in sorted(random.sample(customer_rows[len(STORY):], DEBTORS),
                      key=lambda row: row["number"]):
        share = Decimal(random.randint(500, 6000)) / 10000
        owed = (Decimal(row["credit_limit"]) * share).quantize(Decimal("0.01"), ROUND_HALF_UP)
        receivables.append((row["party"], owed))
    equity = EQUIPMENT + CASH + BANK + sum(owed for _, owed in receivables) - LOANS
    lines = [("0400", "", EQUIPMENT, ""), ("1000", "", CASH, ""), ("1200", "", BANK, ""),
             *[("1400", party, owed, "") for party, owed in receivables],
             ("0630", "", "", LOANS), ("3000", "", "", equity)]
    return [("OPEN", "Opening balances", *line) for line in lines]


def write(name, columns, rows):
    with open(HERE / name, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(columns)
        for row in rows:
            out.writerow([row[column] for column in columns] if isinstance(row, dict) else row)


def main():
    seeded = random.Random(SEED)
    product_rows = products(seeded)
    party_rows = parties(seeded)
    customer_rows = customers(seeded, party_rows)
    write("categories.csv", ["code", "name"], CATEGORIES)
    write("products.csv", ["code", "name", "kind", "uom", "category", "price", "tax_rate", "cost"],
          product_rows)
    write("parties.csv", ["number", "kind", "name", "legal_name", "email", "language", "country",
                          "region", "note"], party_rows)
    write("customers.csv", ["number", "party", "credit_limit", "payment_days", "segment", "since"],
          customer_rows)
    write("accounts.csv", ["code", "name", "kind"], ACCOUNTS)
    write("opening_stock.csv", ["kind", "reference", "lines.product", "lines.from", "lines.to",
                                "lines.quantity", "lines.unit_cost"],
          opening_stock(seeded, product_rows))
    write("opening_balances.csv", ["journal", "reference", "lines.account", "lines.party",
                                   "lines.debit", "lines.credit"],
          opening_balances(seeded, customer_rows))


if __name__ == "__main__":
    main()

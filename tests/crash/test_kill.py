#!/usr/bin/python3
"""kill -9 at random moments of order to cash: nothing acknowledged is lost, nothing is half done,
and the company goes on where it stopped.

Several writer processes sell, deliver, invoice and collect through the socket. Every request has a
request_id that says which step of which order it is, and every answer is noted outside the server.
The parent kills the server, starts it again and checks the books against each other and against the
notes; the next writers send the steps of the unfinished orders again, which replays those that were
done and does those that were not.

    KONTOR_CRASH_ROUNDS=100 KONTOR_CRASH_SEED=7 tests/crash/test_kill.py
"""
import json
import multiprocessing
import os
import pathlib
import random
import sys
import time
import unittest
from collections import Counter, defaultdict
from decimal import Decimal

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scenario"))
from kontor_test import (  # noqa: E402
    ALL_MODULES, READY_WITHIN_S, RULES, KontorError, Server, Wire, main)

ROUNDS = int(os.environ.get("KONTOR_CRASH_ROUNDS", "15"))
SEED = int(os.environ.get("KONTOR_CRASH_SEED", time.time_ns() % 1_000_000))
WRITERS = 3
# Between these the server dies, counted from the first writer's login.
SHORTEST_S, LONGEST_S = 0.05, 0.8
DELIVERED = ("delivered", "invoiced", "done")
INVOICED = ("invoiced", "done")


class Stopped(Exception):
    """The server went away."""


class Writer:
    """One salesperson's day, step by step; every step can be sent again."""

    def __init__(self, number, server, company, notes, at_work):
        self.number = number
        self.at_work = at_work
        self.server = server
        self.company = company
        self.path = notes / f"writer-{number}.jsonl"
        self.notes = read_notes(self.path)
        self.file = open(self.path, "a", encoding="utf-8")

    def work(self):
        try:
            self.wire = Wire(self.server.socket)
            self.request("auth.login", {"user": "admin", "password": self.server.password()})
            self.at_work.set()
            order = self.first_unfinished()
            while True:
                self.sell(order)
                order += 1
        except (Stopped, OSError):
            pass

    def first_unfinished(self):
        finished = [int(request_id.split("-")[1]) for request_id in self.notes
                    if request_id.endswith("-end")]
        return max(finished, default=-1) + 1

    def request(self, method, params):
        self.wire.request(1, method, params)
        message = self.wire.receive()
        if message is None:
            raise Stopped
        _, _, error, result = message
        if error and error["code"] == "busy":
            raise Stopped
        if error:
            raise KontorError(error)
        return result

    def note(self, request_id, answer):
        """What the server acknowledged. A kill of the server does not touch this file."""
        json.dump([request_id, answer], self.file)
        self.file.write("\n")
        self.file.flush()

    def step(self, name, method, **params):
        request_id = f"w{self.number}-{name}"
        answer = self.request(method, {**params, "request_id": request_id})
        known = self.notes.get(request_id)
        plain = json.loads(json.dumps(answer, default=str))
        if known is not None and known != plain:
            raise AssertionError(f"{request_id} was answered {known} and now {plain}")
        if known is None:
            self.note(request_id, plain)
        return answer

    def sell(self, number):
        """Every fifth order is cancelled once it is confirmed; every third is bought for first."""
        company = self.company

        def step(name, method, **params):
            return self.step(f"{number}-{name}", method, **params)

        if number % 3 == 0:
            step("buy", "record.create", entity="inventory.move", values={
                "kind": "receipt", "lines": [
                    {"product": company["goods"][0], "from": company["suppliers"],
                     "to": company["stock"], "quantity": "20",
                     "unit_cost": f"1.{number % 90 + 10}"},
                    {"product": company["goods"][1], "from": company["suppliers"],
                     "to": company["stock"], "quantity": "12.5", "unit_cost": "7.77"}]})
        order = step("order", "record.create", entity="sales.order", values={
            "customer": company["customer"], "lines": [
                {"product": company["goods"][0], "quantity": "3", "discount": "5"},
                {"product": company["goods"][1], "quantity": "1.5"},
                {"product": company["service"], "quantity": "1"}]})
        step("confirm", "sales.order.confirm", id=order["id"])
        if number % 5 == 4:
            step("cancel", "sales.order.cancel", id=order["id"])
        else:
            step("deliver", "sales.order.deliver", id=order["id"],
                 lines=[{"line": order["lines"][0]["id"], "quantity": "2"}])
            step("rest", "sales.order.deliver", id=order["id"])
            step("invoice", "sales.order.invoice", id=order["id"])
            invoice, = self.request("record.search", {"entity": "finance.invoice", "where": [
                ["source_entity", "=", "sales.order"], ["source_id", "=", order["id"]]]})["records"]
            payment = step("payment", "record.create", entity="finance.payment", values={
                "party": company["party"], "amount": invoice["total"],
                "allocations": [{"invoice": invoice["id"], "amount": invoice["total"]}]})
            step("post", "finance.payment.post", id=payment["id"])
        self.note(f"w{self.number}-{number}-end", None)


def read_notes(path):
    """request_id -> answer. The last line may be cut: the writer is killed too at the end."""
    notes = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                request_id, answer = json.loads(line)
                notes[request_id] = answer
    return notes


def run_writer(*arguments):
    Writer(*arguments).work()


def number(text):
    return Decimal(text or "0")


class Books:
    """Everything the server holds, read once, and what must be true of it."""

    def __init__(self, test, client):
        self.test = test
        self.client = client
        self.orders, self.deliveries, self.moves, self.reservations = (
            {record["id"]: record for record in client.all(entity)} for entity in (
                "sales.order", "sales.delivery", "inventory.move", "inventory.reservation"))
        self.invoices, self.payments, self.entries = (
            {record["id"]: record for record in client.all(entity)} for entity in (
                "finance.invoice", "finance.payment", "finance.entry"))

    def equal(self, expected, found, what):
        self.test.assertEqual(expected, found, what)

    def check(self):
        found = self.client.call("system.check")
        self.equal([], found["problems"], "indexes, references, totals")
        self.ledger()
        self.stock()
        for order in self.orders.values():
            self.order(order)
        self.receivables()
        self.events()

    def of(self, records, entity, id):
        """The documents made for one document."""
        return [record for record in records.values()
                if (record.get("source_entity"), record.get("source_id")) == (entity, id)]

    def total(self, name, measure):
        """Without rows that say zero."""
        found = defaultdict(Decimal)
        for row in self.client.totals(name):
            found[tuple(row["by"])] += number(row[measure])
        return {by: value for by, value in found.items() if value}

    def same_total(self, name, measure, computed):
        self.equal({by: value for by, value in computed.items() if value},
                   self.total(name, measure), name)

    def ledger(self):
        debits, credits = defaultdict(Decimal), defaultdict(Decimal)
        for entry in self.entries.values():
            if entry["state"] != "posted":
                continue
            self.equal(sum(number(line.get("debit")) for line in entry["lines"]),
                       sum(number(line.get("credit")) for line in entry["lines"]), entry)
            for line in entry["lines"]:
                key = line["account"], entry["date"][:8] + "01"
                debits[key] += number(line.get("debit"))
                credits[key] += number(line.get("credit"))
        self.same_total("finance.balances", "debit", debits)
        self.same_total("finance.balances", "credit", credits)
        balance = self.client.call("finance.report.trial_balance")
        self.equal(balance["debit"], balance["credit"], "the trial balance")

    def stock(self):
        on_hand, value, reserved = (defaultdict(Decimal) for _ in range(3))
        for move in self.moves.values():
            for line in move["lines"]:
                on_hand[line["product"], line["to"]] += number(line["quantity"])
                on_hand[line["product"], line["from"]] -= number(line["quantity"])
                value[line["product"],] += number(line["stock_value"])
            # Goods and books move together.
            self.equal(1, len(self.of(self.entries, "inventory.move", move["id"])), move)
        for reservation in self.reservations.values():
            reserved[reservation["product"], reservation["location"]] += number(
                reservation["open"])
        self.same_total("inventory.on_hand", "quantity", on_hand)
        self.same_total("inventory.valuation", "value", value)
        self.same_total("inventory.reserved", "quantity", reserved)
        account = self.client.find("finance.account", "usage", "stock")["id"]
        booked = self.client.call("finance.account.balance", account=account)["balance"]
        self.equal(sum(value.values()), number(booked), "stock account and stock value")

    def order(self, order):
        """No half order: what its state says has happened has, and nothing else."""
        state, goods = order["state"], set(self.test.company["goods"])
        deliveries = [delivery for delivery in self.deliveries.values()
                      if delivery["order"] == order["id"]]
        sent, moved = Counter(), Counter()
        for delivery in deliveries:
            for line in delivery["lines"]:
                sent[line["order_line"]] += number(line["quantity"])
            moves = self.of(self.moves, "sales.delivery", delivery["id"])
            self.equal(1, len(moves), delivery)
            moved.update(self.quantities(moves[0]["lines"]))
            self.equal(self.quantities(line for line in delivery["lines"]
                                       if line["product"] in goods),
                       self.quantities(moves[0]["lines"]), delivery)
        for line in order["lines"]:
            self.equal(number(line["delivered"]), number(sent[line["id"]]), order)
        complete = all(line["delivered"] == line["quantity"] for line in order["lines"])
        self.equal(state in DELIVERED, complete, order)
        self.promises(order, goods)
        self.money(order)

    @staticmethod
    def quantities(lines):
        found = Counter()
        for line in lines:
            found[line["product"]] += number(line["quantity"])
        return found

    def promises(self, order, goods):
        reservations = self.of(self.reservations, "sales.order", order["id"])
        for line in order["lines"]:
            wanted = sum(number(reservation["wanted"]) - number(reservation["delivered"])
                         for reservation in reservations
                         if reservation["source_line"] == line["id"])
            left = number(line["quantity"]) - number(line["delivered"])
            promised = order["state"] == "confirmed" and line["product"] in goods
            self.equal(left if promised else 0, wanted, (order, reservations))

    def money(self, order):
        invoices = self.of(self.invoices, "sales.order", order["id"])
        self.equal(1 if order["state"] in INVOICED else 0, len(invoices), order)
        for invoice in invoices:
            self.equal(order["total"], invoice["total"], order)
            self.equal("paid" if order["state"] == "done" else "posted", invoice["state"], invoice)
            entry, = self.of(self.entries, "finance.invoice", invoice["id"])
            self.equal((invoice["entry"], "posted", invoice["total"]),
                       (entry["id"], entry["state"], entry["total"]), invoice)

    def receivables(self):
        for payment in self.payments.values():
            entries = self.of(self.entries, "finance.payment", payment["id"])
            self.equal(payment["state"] == "posted", len(entries) == 1, payment)
        owed = sum(number(invoice["open"]) for invoice in self.invoices.values())
        self.same_total("finance.open_receivables", "open", defaultdict(Decimal, {
            (self.test.company["party"],): owed}))

    def events(self):
        """Numbered without gaps, and one story per document."""
        events = self.client.new_events()
        self.equal(list(range(1, len(events) + 1)), [event["seq"] for event in events], "events")
        topics = Counter(event["topic"] for event in events)
        self.equal(len(self.orders), topics["sales.order.created"], "orders told")
        self.equal(len(self.deliveries), topics["sales.delivery.created"], "deliveries told")
        self.equal(len(self.moves), topics["inventory.move.posted"], "moves told")
        self.equal(len(self.invoices), topics["finance.invoice.posted"], "invoices told")


class Kill(unittest.TestCase):
    def setUp(self):
        print(f"KONTOR_CRASH_SEED={SEED} KONTOR_CRASH_ROUNDS={ROUNDS}", flush=True)
        self.random = random.Random(SEED)
        self.server = Server()
        self.addCleanup(self.server.close)
        self.server.start()
        self.notes = self.server.data / "notes"
        self.notes.mkdir()
        self.set_up_company()

    def set_up_company(self):
        admin = self.server.connect()
        for module in ALL_MODULES:
            admin.call("module.enable", name=module)
        admin.push_rules(RULES)
        party = admin.create("parties.party", kind="company", name="Rickmers Hafendienste")["id"]
        place = {row["code"]: row["id"] for row in admin.search("inventory.location")}
        unit = {row["code"]: row["id"] for row in admin.search("products.uom")}
        product = [admin.create("products.product", code=code, name=code, price=price, kind=kind,
                                uom=unit[uom], tax_rate="19")["id"] for code, price, kind, uom in
                   (("BUOY", "9.99", "goods", "pcs"), ("CHAIN", "13.45", "goods", "m"),
                    ("ADVICE", "80.00", "service", "h"))]
        self.company = {
            "party": party, "goods": product[:2], "service": product[2],
            "customer": admin.create("customers.customer", party=party)["id"],
            "suppliers": place["SUPPLIERS"], "stock": place["MAIN/STOCK"]}
        admin.create("inventory.move", kind="opening", lines=[
            {"product": good, "from": place["OPENING"], "to": place["MAIN/STOCK"],
             "quantity": "5000", "unit_cost": "1.23"} for good in product[:2]])
        admin.close()

    def start_writers(self):
        at_work = multiprocessing.Event()
        writers = [multiprocessing.Process(
            target=run_writer, args=(index, self.server, self.company, self.notes, at_work),
            daemon=True)
            for index in range(WRITERS)]
        for writer in writers:
            writer.start()
        self.assertTrue(at_work.wait(READY_WITHIN_S), "no writer could log in")
        return writers

    def acknowledged(self):
        notes = {}
        for path in sorted(self.notes.glob("writer-*.jsonl")):
            notes.update(read_notes(path))
        return notes

    def test_kill_and_go_on(self):
        for round in range(ROUNDS):
            self.kill_during_work(round, self.wait_at_random)
        # A slow machine may have done little so far; now the server lives until one order is paid.
        self.kill_during_work(ROUNDS, self.wait_for_cash)

    def kill_during_work(self, round, wait):
        writers = self.start_writers()
        wait()
        self.server.kill()
        for writer in writers:
            writer.join()
            self.assertEqual(0, writer.exitcode, f"writer failed in round {round}")
        self.server.start()
        with self.subTest(round=round):
            self.check(round)

    def wait_at_random(self):
        time.sleep(self.random.uniform(SHORTEST_S, LONGEST_S))

    def wait_for_cash(self):
        deadline = time.monotonic() + READY_WITHIN_S
        while not any(request_id.endswith("-post") for request_id in self.acknowledged()):
            self.assertLess(time.monotonic(), deadline, "no order got as far as cash")
            time.sleep(0.01)

    def check(self, round):
        client = self.server.connect()
        notes = self.acknowledged()
        self.check_acknowledged(client, notes)
        books = Books(self, client)
        books.check()
        states = Counter(order["state"] for order in books.orders.values())
        print(f"round {round}: {len(notes)} answers noted, orders {dict(states)}", flush=True)
        client.close()

    def check_acknowledged(self, client, notes):
        """Every record that an answer told of is there, at least as new as it was then."""
        entity_of = {"order": "sales.order", "buy": "inventory.move", "confirm": "sales.order",
                     "cancel": "sales.order", "invoice": "sales.order",
                     "payment": "finance.payment", "post": "finance.payment"}
        stored = {entity: {record["id"]: record["version"] for record in client.all(entity)}
                  for entity in set(entity_of.values()) | {"sales.delivery"}}
        for request_id, answer in notes.items():
            step = request_id.rsplit("-", 1)[1]
            if step == "end":
                continue
            told = ([("sales.order", answer["order"]), ("sales.delivery", answer["delivery"])]
                    if step in ("deliver", "rest") else [(entity_of[step], answer)])
            for entity, record in told:
                self.assertLessEqual(record["version"], stored[entity].get(record["id"], 0),
                                     f"{request_id} was acknowledged and is lost: {record}")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""The demo company as people watch it: the commands of scripts/demo/play."""
import subprocess

from kontor_test import DEMO, KONTOR, KontorCase, main


class DemoScript(KontorCase):
    """scripts/demo/play itself, which people watch first."""

    MODULES = ()

    def play(self):
        return subprocess.Popen([DEMO / "play", "--kontor", KONTOR, "--data", self.server.data],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_goes_on_after_a_kill(self):
        # Given a demo whose server dies once the order is partly delivered,
        with self.play() as interrupted:
            for line in interrupted.stdout:
                if line.startswith("11. "):
                    break
            type(self).admin.close()
            self.server.kill()
            interrupted.communicate()
        self.assertNotEqual(0, interrupted.returncode)
        # when the server is back, then the demo plays to its end,
        self.server.start()
        type(self).admin = self.server.connect()
        with self.play() as again:
            told, complaints = again.communicate()
        self.assertEqual((0, ""), (again.returncode, complaints), told)
        self.assertEqual(2, told.count("refused: the credit limit of Kruse"))
        self.assertEqual(1, told.count("refused: a discount of 12.5 %"))
        # the opening stock is there once, the first order is half delivered, the second done,
        self.assertEqual(1, self.admin.count("inventory.move", ("kind", "=", "opening")))
        self.assertEqual(["confirmed", "done", "cancelled"],
                         [order["state"] for order in self.admin.search("sales.order")])
        # and the books balance.
        balance = self.admin.call("finance.report.trial_balance")
        self.assertEqual(balance["debit"], balance["credit"])


if __name__ == "__main__":
    main()

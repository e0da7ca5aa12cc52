"""What is lost with the database's volume comes back from a backup, by the documented steps."""

from tests.e2e.cluster.lab import DATABASE_POD, Deployed
from tests.faults.traffic import traffic
from tests.postgres_server import wait_until


def run_job(deployed: Deployed, cron_job: str, condition: str) -> str:
    """Run a CronJob's job now; give what it printed."""
    cluster = deployed.cluster
    name = f"{cron_job}-now"
    cluster.kubectl("delete", "job", name, "--ignore-not-found")
    cluster.kubectl("create", "job", name, f"--from=cronjob/{cron_job}")
    cluster.wait(f"job/{name}", f"condition={condition}")
    return cluster.kubectl("logs", f"job/{name}")


def lose_the_database(deployed: Deployed) -> None:
    """Delete the server with its volume, and let another begin with nothing."""
    cluster = deployed.cluster
    cluster.kubectl("delete", "statefulset/orders-postgres", f"pvc/data-{DATABASE_POD}")
    deployed.update()
    cluster.rolled_out("statefulset/orders-postgres")
    cluster.wait("job/orders-migrate", "condition=Complete")
    cluster.settled(3)


def test_a_backup_restored_into_an_empty_database_gives_an_equal_export(
    changing: Deployed,
) -> None:
    with traffic(changing.service, 0.01) as clients:
        clients.wait_for_orders(500)
        # While orders are placed: what was acknowledged before it began is in it.
        acknowledged = clients.acknowledged
        assert "backup: wrote /backup/orders-" in run_job(changing, "orders-backup", "Complete")
    # The one to restore has all of them.
    run_job(changing, "orders-backup", "Complete")
    exported = changing.cluster.export()
    lose_the_database(changing)
    assert changing.cluster.export() == "id,amount\n"
    said = run_job(changing, "orders-restore", "Complete")
    restored = dict(changing.cluster.orders())
    assert f"restore: {len(restored)} orders from /backup/orders-" in said
    wait_until(lambda: changing.cluster.export() == exported, seconds=30)
    assert acknowledged.items() <= restored.items()
    counted = changing.cluster.sql("SELECT sum(count), sum(amount) FROM orders_totals")
    assert counted == changing.cluster.sql("SELECT count(*), sum(amount) FROM orders")


def test_a_database_that_holds_orders_is_not_restored_into(changing: Deployed) -> None:
    with traffic(changing.service) as clients:
        clients.wait_for_orders(10)
    run_job(changing, "orders-backup", "Complete")
    before = changing.cluster.export()
    said = run_job(changing, "orders-restore", "Failed")
    assert "restore: the database holds orders; only an empty one is restored into" in said
    assert changing.cluster.export() == before

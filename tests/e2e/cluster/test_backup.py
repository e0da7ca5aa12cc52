"""Backups and restores with the documented commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.debian_package import ROOT
from tests.e2e.cluster.lab import DATABASE_POD, DEPLOYMENT, Deployed
from tests.faults.traffic import traffic

_FILES: Final = "orders-backup-files"


@contextmanager
def backup_files(deployed: Deployed) -> Iterator[str]:
    """Run the pod with the backups' volume."""
    manifest = ROOT / "k8s/postgres/backup-files.yaml"
    deployed.cluster.kubectl("apply", f"--filename={manifest}")
    try:
        deployed.cluster.wait(f"pod/{_FILES}", "condition=Ready")
        yield f"{_FILES}:/backup"
    finally:
        deployed.cluster.kubectl("delete", "pod", _FILES)


def run_job(deployed: Deployed, cron_job: str, condition: str) -> str:
    """Run a CronJob's job now, and return its log."""
    cluster = deployed.cluster
    name = f"{cron_job}-now"
    cluster.kubectl("delete", "job", name, "--ignore-not-found")
    cluster.kubectl("create", "job", name, f"--from=cronjob/{cron_job}")
    cluster.wait(f"job/{name}", f"condition={condition}")
    return cluster.kubectl("logs", f"job/{name}")


def lose_the_database(deployed: Deployed) -> None:
    """Delete the server and its volume; start an empty one, without clients."""
    cluster = deployed.cluster
    cluster.kubectl("delete", "statefulset/orders-postgres", f"pvc/data-{DATABASE_POD}")
    deployed.update()
    cluster.kubectl("scale", DEPLOYMENT, "--replicas=0")
    cluster.wait("job/orders-migrate", "condition=Complete")
    cluster.settled(0)
    assert cluster.orders() == []


def test_a_restore_into_an_empty_database_gives_an_equal_export(
    changing: Deployed,
) -> None:
    with traffic(changing.service, 0.01) as clients:
        clients.wait_for_orders(500)
        # A backup under load contains everything acknowledged before it began.
        acknowledged = clients.acknowledged
        assert "backup: wrote /backup/orders-" in run_job(changing, "orders-backup", "Complete")
    # The backup to restore contains all orders.
    run_job(changing, "orders-backup", "Complete")
    exported = changing.cluster.export()
    lose_the_database(changing)
    said = run_job(changing, "orders-restore", "Complete")
    changing.cluster.kubectl("scale", DEPLOYMENT, "--replicas=3")
    changing.cluster.settled(3)
    restored = dict(changing.cluster.orders())
    assert f"restore: restored {len(restored)} orders from /backup/orders-" in said
    assert changing.cluster.export() == exported
    assert acknowledged.items() <= restored.items()
    counted = changing.cluster.sql("SELECT sum(count), sum(amount) FROM orders_totals")
    assert counted == changing.cluster.sql("SELECT count(*), sum(amount) FROM orders")


def test_a_restore_into_a_database_with_orders_is_refused(changing: Deployed) -> None:
    with traffic(changing.service) as clients:
        clients.wait_for_orders(10)
    run_job(changing, "orders-backup", "Complete")
    before = changing.cluster.export()
    said = run_job(changing, "orders-restore", "Failed")
    assert "the database contains orders; a restore needs an empty one" in said
    assert changing.cluster.export() == before


def test_a_restore_under_load_is_refused_and_loses_nothing(changing: Deployed) -> None:
    run_job(changing, "orders-backup", "Complete")
    with traffic(changing.service) as clients:
        clients.wait_for_orders(10)
        said = run_job(changing, "orders-restore", "Failed")
        clients.wait_for_orders(10)
    assert "the database contains orders; a restore needs an empty one" in said
    clients.assert_kept(changing.cluster.orders())


def test_a_copied_backup_is_restored_into_a_new_installation(
    changing: Deployed, tmp_path: Path
) -> None:
    cluster = changing.cluster
    with traffic(changing.service) as clients:
        clients.wait_for_orders(200)
    said = run_job(changing, "orders-backup", "Complete")
    name = Path(said.split("wrote ")[1].split(",")[0]).name
    copy = tmp_path / name
    with backup_files(changing) as folder:
        cluster.kubectl("cp", f"{folder}/{name}", copy)
    exported = cluster.export()

    cluster.run("kubectl", "delete", "--kustomize", changing.overlay)
    changing.install()
    assert cluster.orders() == []
    cluster.kubectl("scale", DEPLOYMENT, "--replicas=0")
    cluster.settled(0)
    with backup_files(changing) as folder:
        cluster.kubectl("cp", copy, f"{folder}/{name}")
    said = run_job(changing, "orders-restore", "Complete")
    cluster.kubectl("scale", DEPLOYMENT, "--replicas=3")
    cluster.settled(3)
    assert f"restore: restored {len(clients.acknowledged)} orders from /backup/{name}" in said
    assert cluster.export() == exported


def test_a_truncated_backup_is_not_restored(changing: Deployed, tmp_path: Path) -> None:
    cluster = changing.cluster
    with traffic(changing.service) as clients:
        clients.wait_for_orders(100)
    said = run_job(changing, "orders-backup", "Complete")
    name = Path(said.split("wrote ")[1].split(",")[0]).name
    whole, cut = tmp_path / name, tmp_path / "orders-99991231T235959Z.dump"
    cluster.sql("TRUNCATE orders")
    with backup_files(changing) as folder:
        cluster.kubectl("cp", f"{folder}/{name}", whole)
        cut.write_bytes(whole.read_bytes()[:-500])
        cluster.kubectl("cp", cut, f"{folder}/{cut.name}")
        try:
            run_job(changing, "orders-restore", "Failed")
        finally:
            cluster.kubectl("exec", _FILES, "--", "rm", f"/backup/{cut.name}")
    assert cluster.orders() == []

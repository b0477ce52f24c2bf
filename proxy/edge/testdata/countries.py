"""Writes countries.mmdb: `pip install mmdb_writer netaddr && python3 countries.py`."""
from mmdb_writer import MMDBWriter
from netaddr import IPSet

writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Tidegate-Test-Country", languages=["en"], description="test data")


def country(code):
    return {"country": {"iso_code": code}, "registered_country": {"iso_code": "XX"}}


writer.insert_network(IPSet(["192.0.2.0/24"]), country("DE"))
writer.insert_network(IPSet(["192.0.3.0/24"]), country("DE") | {"continent": {"code": "EU"}})
writer.insert_network(IPSet(["198.51.100.0/24"]), country("FR"))
writer.insert_network(IPSet(["203.0.113.0/24"]), {"registered_country": {"iso_code": "US"}})
writer.insert_network(IPSet(["2001:db8::/32"]), country("JP"))
writer.to_db_file("countries.mmdb")

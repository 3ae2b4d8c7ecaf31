"""Prove that a store or a transport of Sp00ky outbox keeps the promises of its port."""

from sp00ky_conformance.faults import Fault, Faults, FaultyStore, FaultyTransport, Scripted, Seeded
from sp00ky_conformance.model.rules import StoreModel, store_model
from sp00ky_conformance.store.harness import StoreHarness, eventually
from sp00ky_conformance.store.jobs.refusals import REFUSED
from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_conformance.transport.http_suite import HttpTransportConformance
from sp00ky_conformance.transport.peer import Arrival, CollectingPeer, Peer
from sp00ky_conformance.transport.suite import TransportConformance

__all__ = ["StoreConformance", "StoreHarness", "REFUSED", "StoreModel", "store_model"]
__all__ += ["TransportConformance", "HttpTransportConformance", "Peer", "CollectingPeer", "Arrival"]
__all__ += ["MisbehavingBackend", "FaultyStore", "FaultyTransport", "Fault", "Faults", "Scripted"]
__all__ += ["Seeded", "eventually"]

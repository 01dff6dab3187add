"""What agents remember across threads: namespaces of keys with JSON objects."""

from typing import NamedTuple


class Item(NamedTuple):
    namespace: tuple
    key: str
    value: dict
    created_at: str
    updated_at: str


class Store:
    """Every call is one request, or part of one with batch()."""

    def __init__(self, request):
        self._request = request

    def batch(self, ops):
        """Several operations at once, in order: what the host answers."""
        return self._request("store.batch", {"ops": list(ops)})["results"]

    def _one(self, **op):
        return self.batch([op])[0]

    def put(self, namespace, key, value, ttl_minutes=None):
        op = {"op": "put", "namespace": list(namespace), "key": key,
              "value": value}
        if ttl_minutes is not None:
            op["ttl"] = ttl_minutes
        self._one(**op)

    def get(self, namespace, key):
        """An Item, or None."""
        found = self._one(op="get", namespace=list(namespace), key=key)
        return None if found is None else _item(found)

    def delete(self, namespace, key):
        self._one(op="delete", namespace=list(namespace), key=key)

    def search(self, prefix, filter=None, limit=10, offset=0):
        """Items below a namespace; filter: {key: value} or {key: {"$gt": 1}}."""
        found = self._one(op="search", namespace_prefix=list(prefix),
                          filter=filter, limit=limit, offset=offset)
        return [_item(i) for i in found["items"]]

    def list_namespaces(self, prefix=(), suffix=(), max_depth=None, limit=100,
                        offset=0):
        found = self._one(op="list_namespaces", prefix=list(prefix),
                          suffix=list(suffix), max_depth=max_depth,
                          limit=limit, offset=offset)
        return [tuple(n) for n in found["namespaces"]]


def _item(found):
    return Item(tuple(found["namespace"]), found["key"], found["value"],
                found.get("created_at"), found.get("updated_at"))

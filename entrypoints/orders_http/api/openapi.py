"""The description at `/openapi.json`, read from `openapi.json`.

That file describes GET and POST. HEAD and OPTIONS follow from them, as they do in the application.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from attrs import frozen

from orders_http.api.http_messages import Reply, Request

Object = dict[str, Any]


@frozen
class OpenApiDocument:
    """The handler of `/openapi.json`.

    Attributes:
        content: The encoded description.
    """

    content: bytes

    @classmethod
    def of_version(cls, version: str, root: str = "") -> "OpenApiDocument":
        """Describe this release.

        Args:
            version: The version of the distribution.
            root: The path below which it is served; empty for none.
        """
        document: Object = json.loads((files(__package__) / "openapi.json").read_bytes())
        document["info"]["version"] = version
        if root:
            document["servers"] = [{"url": root}]
        for path, item in document["paths"].items():
            first = next(iter(item.values()))
            item["options"] = _options(path, first["operationId"])
            if "get" in item:
                item["head"] = _head(item["get"], document["components"]["responses"])
        return cls(json.dumps(document, separators=(",", ":")).encode())

    def get(self, request: Request) -> Reply:
        """Answer with the description."""
        headers = (("Cache-Control", "no-cache"),)
        return request.answered_conditionally(
            Reply(HTTPStatus.OK, self.content, "application/json", headers),
        )


def _options(path: str, operation_id: str) -> Object:
    """Describe OPTIONS, which answers for every id, even one that no order can have."""
    responses = {
        "204": "Methods",
        "400": "MalformedRequest",
        "408": "RequestTimeout",
        "421": "MisdirectedRequest",
        "431": "HeadersTooLarge",
    }
    return {
        "operationId": f"{operation_id}Methods",
        "summary": "List the methods of this path",
        "tags": ["service"],
        "parameters": [{"$ref": "#/components/parameters/AnyId"}] if "{id}" in path else [],
        "responses": {
            status: {"$ref": f"#/components/responses/{name}"} for status, name in responses.items()
        },
    }


def _head(get: Mapping[str, Any], shared: Mapping[str, Object]) -> Object:
    """Describe HEAD: GET without the bodies.

    Args:
        get: The operation.
        shared: The responses that operations refer to.
    """
    responses = {
        status: shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        for status, response in get["responses"].items()
    }
    return {
        **get,
        "operationId": f"{get['operationId']}Headers",
        "summary": f"{get['summary']} (only the headers)",
        "responses": {
            status: {part: response[part] for part in ("description", "headers")}
            for status, response in responses.items()
        },
    }

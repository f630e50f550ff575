"""The part of the W&B server on this machine that takes artifacts."""

from typing import Any


def answer(server: Any, query: str, values: dict[str, Any]) -> dict[str, Any] | None:
    """What it says to a question about artifacts; None when the question is another one."""
    if "query ArtifactType" in query:
        return {"project": {"artifact": None}}
    if "createArtifactManifest(" in query:
        return manifest(server, values)
    if "createArtifactFiles(" in query:
        return files(server, values["input"])
    if "createArtifact(" in query:
        return created(server, values["input"])
    if "commitArtifact(" in query:
        artifact = server.artifacts[values["artifactID"]]
        artifact["committed"] = 1 + sum("committed" in other for other in server.artifacts.values())
        return {"commitArtifact": {"artifact": {"id": artifact["id"], "digest": artifact["digest"]}}}
    return None


def created(server: Any, told: dict[str, Any]) -> dict[str, Any]:
    """A new artifact, which is not whole yet."""
    made = {
        "id": f"artifact-{len(server.artifacts)}", "name": told["artifactCollectionName"], "digest": told["digest"],
        "type": told["artifactTypeName"], "aliases": [alias["alias"] for alias in told["aliases"]],
        "metadata": told.get("metadata"), "files": {},
    }  # fmt: skip
    server.artifacts[made["id"]] = made
    sequence = {"id": told["artifactCollectionName"], "latestArtifact": None}
    return {
        "createArtifact": {"artifact": {"id": made["id"], "state": "PENDING", "artifactSequence": sequence}}
    }


def manifest(server: Any, told: dict[str, Any]) -> dict[str, Any]:
    """Where the list of an artifact's files should be put."""
    path = f"/manifest/{told['artifactID']}"
    place = {"id": "m", "name": told["name"], "displayName": told["name"], "uploadHeaders": []}
    file = {**place, "uploadUrl": server.url + path}
    return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": file}}}


def files(server: Any, told: dict[str, Any]) -> dict[str, Any]:
    """Where each file should be put."""
    edges = []
    for wanted in told["artifactFiles"]:
        identity, name = wanted["artifactID"], wanted["name"]
        path = f"/artifact/{identity}/{name}"
        server.artifacts[identity]["files"][name] = path
        node = {
            "id": path, "name": name, "displayName": name, "uploadUrl": server.url + path, "uploadHeaders": [],
            "storagePath": path, "uploadMultipartUrls": None, "artifact": {"id": identity},
        }  # fmt: skip
        edges.append({"node": node})
    return {"createArtifactFiles": {"files": {"edges": edges}}}

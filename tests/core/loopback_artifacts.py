"""The part of the W&B server on this machine that takes artifacts."""

from typing import Any


def answer(server: Any, query: str, values: dict[str, Any]) -> dict[str, Any] | None:
    """What it says to a question about artifacts; None when the question is another one."""
    if "query ArtifactType" in query:
        return {"project": {"artifact": None}}
    if "query ArtifactMembershipByName" in query:
        return {"project": {"artifactCollectionMembership": membership(server, values["name"])}}
    if "query FetchArtifactManifest" in query:
        file = {"directUrl": f"{server.url}/manifest/{values['id']}"}
        return {"artifact": {"currentManifest": {"file": file}}}
    if "query GetArtifactMembershipFileUrls" in query:
        return {"project": {"artifactCollection": contents(server, values["collection"], values["alias"])}}
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


def versions(server: Any, name: str) -> list[dict[str, Any]]:
    """Of one artifact, in the order in which they were committed."""
    whole = [each for each in server.artifacts.values() if each["name"] == name and "committed" in each]
    return sorted(whole, key=lambda each: int(each["committed"]))


def contents(server: Any, name: str, version: str) -> dict[str, Any]:
    """Where the files of one version are."""
    files = versions(server, name)[int(version.removeprefix("v"))]["files"]
    edges = [
        {"node": {"__typename": "File", "name": file, "directUrl": server.url + path}}
        for file, path in files.items()
    ]
    page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
    found = {"files": {"pageInfo": page, "edges": edges}}
    return {"__typename": "ArtifactSequence", "artifactMembership": found}


def membership(server: Any, asked: str) -> dict[str, Any] | None:
    """The newest version that has an alias, asked for as `name:alias`."""
    name, _, alias = asked.partition(":")
    found = [each for each in versions(server, name) if alias in each["aliases"]]
    if not found:
        return None
    artifact = found[-1]
    number = versions(server, name).index(artifact)
    project = {"id": "p", "internalId": "p", "name": "lab", "entity": {"id": "e", "name": "me"}}
    sequence = {"__typename": "ArtifactSequence", "name": name, "project": project}
    aliases = [
        {"__typename": "ArtifactAlias", "id": each, "alias": each, "artifactCollection": sequence}
        for each in artifact["aliases"]
    ]
    whole = {
        "__typename": "Artifact", "id": artifact["id"], "artifactSequence": sequence, "versionIndex": number,
        "artifactType": {"name": artifact["type"]}, "description": None, "metadata": artifact["metadata"],
        "ttlDurationSeconds": -2, "ttlIsInherited": False, "tags": [], "historyStep": None, "state": "COMMITTED",
        "size": 1, "digest": artifact["digest"], "commitHash": "x", "fileCount": len(artifact["files"]),
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "aliases": aliases,
    }  # fmt: skip
    return {
        "__typename": "ArtifactCollectionMembership", "id": artifact["id"], "versionIndex": number,
        "createdAt": "2026-01-01T00:00:00Z", "aliases": aliases, "artifactCollection": sequence, "artifact": whole,
    }  # fmt: skip


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

"""Python imports this when it starts, where this folder is on its path: in the functions' processes of the emulator.

It writes every request that a function sends through botocore to a file, one JSON line each (`recorder` reads them).
botocore is hooked when the function imports it, so that it is the one of the function's own bundle.
"""

import importlib.abc
import importlib.util
import json
import os
import sys

FUNCTION, FOLDER = os.environ.get("AWS_LAMBDA_FUNCTION_NAME"), os.environ.get("SKYLEDGER_CALLS")
KEPT = ("Bucket", "Key", "VersionId", "IfMatch", "IfNoneMatch", "CopySource", "Delete", "TableName")


def _kept(parameters):
    kept = {name: parameters[name] for name in KEPT if name in parameters and isinstance(parameters[name], (str, dict))}
    items = parameters.get("TransactItems", ())
    kept["TransactItems"] = [{kind: {"TableName": write["TableName"]} for kind, write in one.items()} for one in items]
    return {name: value for name, value in kept.items() if not (name == "Key" and isinstance(value, dict))}


def _hook(client):
    send = client.BaseClient._make_api_call

    def record(self, operation, parameters):
        line = json.dumps([FUNCTION, operation, _kept(parameters)])
        with open(os.path.join(FOLDER, f"{os.getpid()}.jsonl"), "a") as file:
            file.write(line + "\n")
        return send(self, operation, parameters)

    client.BaseClient._make_api_call = record


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "botocore.client":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def execute_and_hook(module):
            execute(module)
            _hook(module)

        spec.loader.exec_module = execute_and_hook
        return spec


if FUNCTION and FOLDER:
    sys.meta_path.insert(0, _Finder())

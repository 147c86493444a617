"""`architect install` of a service with many definitions, when nothing has changed."""

from __future__ import annotations

import time

from programs import architect, write_grpc_service

FILES = 150


def test_an_unchanged_installation_takes_no_time_and_a_new_file_is_noticed(tmp_path):
    service = tmp_path / "many"
    write_grpc_service(service, "acme/many", 'syntax = "proto3"; package many; message M {}')
    for n in range(FILES):
        fields = "".join(f"int32 field_{each} = {each};" for each in range(1, 40))
        messages = "".join(f"message M{each} {{ {fields} }}" for each in range(20))
        (service / f"f{n}.proto").write_text(f'syntax = "proto3"; package many.f{n}; {messages}')
    manifest = (service / "architect.json").read_text()
    (service / "architect.json").write_text(manifest.replace("./service.proto", "**/*.proto"))
    seconds = []
    for _ in range(2):
        time.sleep(0.03)  # what changed at the time of an installation is checked by the next one again
        started = time.process_time()
        architect("install", "--prefix", str(tmp_path / "client"))
        seconds.append(time.process_time() - started)
    assert seconds[1] < min(1, seconds[0] / 4)
    (service / "more.proto").write_text('syntax = "proto3"; package many.more; message M {}')
    architect("install", "--prefix", str(tmp_path / "client"))
    assert (tmp_path / "client/architect_services/acme/many/more_pb2.py").is_file()

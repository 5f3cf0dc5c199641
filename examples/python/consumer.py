"""How another system reads the results of bulk actions: one JSON line on standard output per outcome.

A stranger's program, in a stranger's language: it knows the topic's contract (docs/reference/events.md) and nothing of the
platform's code.
"""

import json
import os
import signal
import sys

from confluent_kafka import Consumer, KafkaError
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

TOPIC = os.environ.get("RESULTS_TOPIC") or "bulk.results"
STATE_FILE = os.environ.get("STATE_FILE") or "results-consumer.state.jsonl"
SHOWN = ("position", "entityId", "ref", "status", "code", "message")


def read_state() -> dict[str, int]:
    """result id -> the highest generation that was taken by the runs before."""
    taken: dict[str, int] = {}
    if os.path.exists(STATE_FILE):
        with open(STATE_FILE, encoding="utf-8") as file:
            for line in file.read().split("\n"):
                # A last line without an end was torn by a crash: its result comes again.
                if line.endswith("}"):
                    entry = json.loads(line)
                    taken[entry["resultId"]] = entry["generation"]
    return taken


def take(result: dict, taken: dict[str, int]) -> None:
    """Takes a result once: a repetition is recognised by id and generation, a replacement by a higher one."""
    result_id, generation = result["resultId"], result.get("generation", 0)
    before = taken.get(result_id)
    if before is not None and generation <= before:
        print(json.dumps({"repeated": result_id, "generation": generation}), file=sys.stderr, flush=True)
        return
    kind = "outcome" if before is None else "replacement"
    for outcome in result["outcomes"]:
        shown = {name: outcome[name] for name in SHOWN}
        print(json.dumps({"kind": kind, "actionId": result["actionId"], **shown, "generation": generation}))
    sys.stdout.flush()
    # After the effect, before the offset is committed: a crash in between repeats this result, and loses none.
    with open(STATE_FILE, "a", encoding="utf-8") as file:
        file.write("\n" + json.dumps({"resultId": result_id, "generation": generation}))
    taken[result_id] = generation


def main() -> None:
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    taken = read_state()
    registry = SchemaRegistryClient(
        {"url": os.environ.get("SCHEMA_REGISTRY_URL") or "http://127.0.0.1:8081/apis/ccompat/v7"}
    )
    decode = AvroDeserializer(registry)
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ.get("KAFKA_BROKERS") or "127.0.0.1:9092",
            "group.id": os.environ.get("GROUP_ID") or "results-consumer",
            "auto.offset.reset": "earliest",
            # Only what was taken is stored for the next commit: see store_offsets.
            "enable.auto.offset.store": False,
        }
    )
    consumer.subscribe([TOPIC])
    try:
        while not stopping:
            message = consumer.poll(0.5)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                # librdkafka mends what it can by itself, and says so here.
                print(json.dumps({"failed": error.str()}), file=sys.stderr, flush=True)
                if error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    sys.exit(1)
                continue
            if message.value() is not None:
                take(decode(message.value(), SerializationContext(TOPIC, MessageField.VALUE)), taken)
            consumer.store_offsets(message)
    finally:
        # Commits what is stored and leaves the group.
        consumer.close()


if __name__ == "__main__":
    main()

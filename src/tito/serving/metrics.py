"""What the service counts, in the format of Prometheus: requests, seconds, queues, batches, versions, failures."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The numbers of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.all = everything = CollectorRegistry()
        ProcessCollector(registry=everything)
        of, route = ["model"], ["model", "route"]
        self.requests = Counter("tito_requests", "Requests answered.", [*route, "status"], registry=everything)
        self.seconds = Histogram("tito_request_seconds", "Until the end.", route, registry=everything, buckets=SECONDS)
        self.first = Histogram(
            "tito_first_token_seconds", "Until a text's first token.", of, registry=everything, buckets=SECONDS
        )
        self.tokens = Counter("tito_tokens", "Tokens sent.", of, registry=everything)
        self.batch = Histogram("tito_batch_size", "Requests computed together.", of, registry=everything, buckets=SIZES)
        self.queue = Gauge("tito_queue_length", "Requests that wait for their turn.", of, registry=everything)
        self.version = Gauge("tito_model_version", "The version that answers.", of, registry=everything)
        self.failures = Counter(
            "tito_model_failures", "Versions that were live and could not be served.", of, registry=everything
        )

    def watch(self, model: str, waiting: Callable[[], int]) -> None:
        """Ask for the length of a model's queue whenever somebody looks."""
        self.queue.labels(model).set_function(waiting)

    def text(self) -> bytes:
        return generate_latest(self.all)

"""The gRPC ingress on Ray Serve: authenticate, hand to a handler, turn errors into codes. No solving."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from actors import logs
from actors.metrics import metrics
from actors.settings import Settings
from backends.config import backends_from_tables
from protos import (
    decisions_pb2,
    federation_pb2,
    invoices_pb2,
    jobs_pb2,
    routing_pb2,
    sampling_pb2,
)
from services import errors, tours_api
from services.auth import Doorkeeper, correlation_id
from services.convert.common import policy_from_message
from services.decisions_api import DecisionsApi
from services.federation_api import FederationApi
from services.jobs_api import JobsApi
from services.kinds import service_kinds
from services.reconcile import reconcile_outage
from services.result_cache import ResultCache, refuse_max_age
from services.solving import Solving
from solvers.registry import KINDS, problem_kind
from store.keys import Principal, Role
from store.store import Store

Handler = Callable[[Any, "Call", Any], Awaitable[Any]]
StreamHandler = Callable[[Any, "Call", Any], AsyncIterator[Any]]

_READERS = (Role.SUBMITTER, Role.VIEWER, Role.OPERATOR, Role.AUDITOR)


def unary(reply: type[Any], *roles: Role) -> Callable[[Handler], Any]:
    """A unary method: ``handler(self, call, request)``; ``reply`` is sent empty with an error."""

    def decorate(handler: Handler) -> Any:
        async def method(self: Any, request: Any, grpc_context: Any) -> Any:
            call = Call(handler.__name__, grpc_context)
            try:
                call.principal = await self.doorkeeper.admit(call.metadata, *roles)
                answered = await handler(self, call, request)
            except Exception as error:  # noqa: BLE001 - Serve would send the stack trace to the caller
                call.failed(error)
                return reply()
            call.succeeded()
            return answered

        return _named(method, handler)

    return decorate


def stream(reply: type[Any], *roles: Role) -> Callable[[StreamHandler], Any]:
    """A server-streaming method, as `unary`.

    Serve brings code and details to the caller with a message only, so an error ends the stream behind an empty one.
    """

    def decorate(handler: StreamHandler) -> Any:
        async def method(self: Any, request: Any, grpc_context: Any) -> AsyncIterator[Any]:
            call = Call(handler.__name__, grpc_context)
            try:
                call.principal = await self.doorkeeper.admit(call.metadata, *roles)
                async for message in handler(self, call, request):
                    yield message
            except Exception as error:  # noqa: BLE001 - as in `unary`
                call.failed(error)
                yield reply()
                return
            call.succeeded()

        return _named(method, handler)

    return decorate


def _named(method: Any, handler: Any) -> Any:
    """Name ``method`` after its handler, without ``__wrapped__``: Serve reads the signature."""
    method.__name__, method.__qualname__, method.__doc__ = handler.__name__, handler.__qualname__, handler.__doc__
    return method


class Call:
    """One gRPC call: its metadata, its correlation id, who called (once admitted), its end."""

    principal: Principal

    def __init__(self, method: str, context: Any) -> None:
        self.metadata = {str(key).lower(): str(value) for key, value in context.invocation_metadata()}
        self.correlation_id = correlation_id(self.metadata)
        self._method, self._context = method, context
        structlog.contextvars.bind_contextvars(correlation_id=self.correlation_id)
        context.set_trailing_metadata([("x-correlation-id", self.correlation_id)])

    def succeeded(self) -> None:
        metrics().requests.labels(self._method, "OK").inc()

    def failed(self, error: Exception) -> None:
        code = errors.answer(self._context, error, self.correlation_id)
        metrics().requests.labels(self._method, code.name).inc()
        log = logs.logger().bind(method=self._method, code=code.name)
        if code is grpc.StatusCode.INTERNAL:
            log.error("call_failed", exc_info=error)
        else:
            log.info("call_refused", error=str(error)[:500])


@serve.deployment(
    name="gateway",
    max_ongoing_requests=2000,
    ray_actor_options={"num_cpus": 0},
    health_check_period_s=5,
    graceful_shutdown_timeout_s=10,
)
class Gateway:
    """Every RPC of the contract, and ``/metrics`` over HTTP."""

    def __init__(self, settings: Settings) -> None:
        logs.configure("gateway", settings.log_level)
        store = Store.open(settings.database_url, settings.artifacts_url, settings.state_dir)
        store.database.share_commits(settings.share_commits)
        self._known = known = frozenset(c.name for c in backends_from_tables(settings.backends).backends)
        self._store = store
        self._cache = ResultCache()
        self.doorkeeper = Doorkeeper(store)
        self._solving = Solving(settings, store, known)
        self._jobs = JobsApi(settings, store, self._solving)
        self._federation = FederationApi(store)
        self._decisions = DecisionsApi(store)
        self._tours = tours_api.ToursApi(settings.max_message_bytes)
        for name in KINDS:
            problem_kind(name).warm()
        self._solving.find_coordinators()
        self._upkeep = [asyncio.ensure_future(task) for task in self._solving.upkeep()]

    # RoutingService

    @unary(routing_pb2.OptimizeToursResponse, Role.SUBMITTER)
    async def OptimizeTours(self, call: Call, request: Any) -> Any:
        return await self._solve(call, "routing", request)

    @stream(routing_pb2.OptimizeToursResponse, Role.SUBMITTER)
    def StreamTours(self, call: Call, request: Any) -> AsyncIterator[Any]:
        return self._stream(call, "routing", request)

    @unary(routing_pb2.ValidateToursResponse, Role.SUBMITTER)
    async def ValidateTours(self, call: Call, request: Any) -> Any:
        return await self._tours.run(tours_api.validate, request)

    @unary(routing_pb2.AnalyzeToursResponse, Role.SUBMITTER)
    async def AnalyzeTours(self, call: Call, request: Any) -> Any:
        return await self._tours.run(tours_api.analyze, request)

    @unary(routing_pb2.RecommendInsertionResponse, Role.SUBMITTER)
    async def RecommendInsertion(self, call: Call, request: Any) -> Any:
        return await self._tours.run(tours_api.recommend, request)

    @unary(routing_pb2.ExplainInfeasibilityResponse, Role.SUBMITTER)
    async def ExplainInfeasibility(self, call: Call, request: Any) -> Any:
        return await self._tours.run(tours_api.explain_infeasibility, request)

    # InvoiceService

    @unary(invoices_pb2.PrioritizeInvoicesResponse, Role.SUBMITTER)
    async def PrioritizeInvoices(self, call: Call, request: Any) -> Any:
        return await self._solve(call, "invoices", request)

    @stream(invoices_pb2.PrioritizeInvoicesResponse, Role.SUBMITTER)
    def StreamPriorities(self, call: Call, request: Any) -> AsyncIterator[Any]:
        return self._stream(call, "invoices", request)

    @unary(invoices_pb2.ReconcileOutageResponse, Role.SUBMITTER)
    async def ReconcileOutage(self, call: Call, request: Any) -> Any:
        return await reconcile_outage(self._store, call.principal, request, call.correlation_id)

    # SamplingService

    @unary(sampling_pb2.SampleResponse, Role.SUBMITTER)
    async def Sample(self, call: Call, request: Any) -> Any:
        return await self._solve(call, "binary", request)

    # JobService

    @unary(jobs_pb2.Job, Role.SUBMITTER)
    async def SubmitJob(self, call: Call, request: Any) -> Any:
        refuse_max_age(request)
        return await self._jobs.submit(call.principal, request, call.correlation_id)

    @unary(jobs_pb2.Job, *_READERS)
    async def GetJob(self, call: Call, request: Any) -> Any:
        return await self._jobs.get(call.principal, request.job_id)

    @unary(jobs_pb2.ListJobsResponse, *_READERS)
    async def ListJobs(self, call: Call, request: Any) -> Any:
        return await self._jobs.list(call.principal, request)

    @stream(jobs_pb2.JobEvent, *_READERS)
    def WatchJob(self, call: Call, request: Any) -> AsyncIterator[Any]:
        return self._jobs.watch(call.principal, request)

    @unary(jobs_pb2.Job, Role.SUBMITTER, Role.OPERATOR)
    async def CancelJob(self, call: Call, request: Any) -> Any:
        return await self._jobs.cancel(call.principal, request.job_id)

    # FederationService

    @unary(federation_pb2.ListBackendsResponse, *_READERS)
    async def ListBackends(self, call: Call, request: Any) -> Any:
        return await self._federation.backends()

    @unary(federation_pb2.Budget, *_READERS)
    async def GetBudget(self, call: Call, request: Any) -> Any:
        return await self._federation.budget(call.principal, request)

    @unary(federation_pb2.Budget, Role.OPERATOR)
    async def SetBudget(self, call: Call, request: Any) -> Any:
        return await self._federation.set_budget(call.principal, request)

    @unary(federation_pb2.ListUsageResponse, *_READERS)
    async def ListUsage(self, call: Call, request: Any) -> Any:
        return await self._federation.usage(call.principal, request)

    # DecisionService

    @unary(decisions_pb2.Decision, Role.AUDITOR, Role.VIEWER)
    async def GetDecision(self, call: Call, request: Any) -> Any:
        return await self._decisions.get(call.principal, request.decision_id)

    @unary(decisions_pb2.ListDecisionsResponse, Role.AUDITOR, Role.VIEWER)
    async def ListDecisions(self, call: Call, request: Any) -> Any:
        return await self._decisions.list(call.principal, request)

    @unary(decisions_pb2.VerifyDecisionResponse, Role.AUDITOR, Role.VIEWER)
    async def VerifyDecision(self, call: Call, request: Any) -> Any:
        return await self._decisions.verify(call.principal, request.decision_id)

    @unary(decisions_pb2.ReplayDecisionResponse, Role.AUDITOR, Role.VIEWER)
    async def ReplayDecision(self, call: Call, request: Any) -> Any:
        return await self._decisions.replay(call.principal, request.decision_id)

    @unary(decisions_pb2.ListAuditResponse, Role.AUDITOR, Role.OPERATOR)
    async def ListAudit(self, call: Call, request: Any) -> Any:
        return await self._decisions.audit(request)

    # HTTP

    async def __call__(self, request: Request) -> Response:
        """``/metrics`` for Prometheus, ``/healthz`` for load balancers."""
        if request.url.path == "/metrics":
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
        if request.url.path == "/healthz":
            return Response(json.dumps({"status": "ok"}), media_type="application/json")
        return Response("not found: /metrics and /healthz are here", status_code=404, media_type="text/plain")

    async def _solve(self, call: Call, kind: str, request: Any) -> Any:
        key, cached = self._known_answer(call.principal, kind, request)
        if cached is not None:
            return cached
        accepted = await self._solving.accept(call.principal, kind, request, call.correlation_id)
        answer = await self._solving.answer(accepted)
        if key is not None:
            self._cache.put(key, answer)
        return answer

    async def _stream(self, call: Call, kind: str, request: Any) -> AsyncIterator[Any]:
        key, message = self._known_answer(call.principal, kind, request)
        if message is not None:
            yield message
            return
        accepted = await self._solving.accept(call.principal, kind, request, call.correlation_id, streamed=True)
        async for message in self._solving.stream(accepted):
            yield message
        if key is not None and message is not None and message.report.decision_id:
            self._cache.put(key, message)

    def _known_answer(self, principal: Principal, kind: str, request: Any) -> tuple[bytes | None, Any]:
        """What the request's answer is kept under, and an answer that is fresh enough; ``None`` where there is none."""
        key = self._cache.key(principal.tenant, kind, request)
        if key is None:
            return None, None
        policy_from_message(request.policy, self._known, 0)  # what is no option may be at fault all the same
        max_age_s = request.policy.max_age.ToNanoseconds() / 1e9
        return key, self._cache.get(key, max_age_s, service_kinds()[kind].response)

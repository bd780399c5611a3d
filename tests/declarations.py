"""The documents of an app with a channel, a task and an SLO on its calls."""

APP = """
apiVersion: watchkeeper/v1
kind: App
metadata: {name: support}
spec: {team: care, channels: [on-call]}
"""
CHANNEL = """
apiVersion: watchkeeper/v1
kind: Channel
metadata: {name: on-call}
spec: {type: webhook, url: "http://127.0.0.1:9/token"}
"""
TASK = """
apiVersion: watchkeeper/v1
kind: Task
metadata: {name: answer}
spec: {app: support, evaluators: [{name: refusal}]}
"""
SLO = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: available}
spec:
  service: support
  indicator:
    metadata: {name: no-error}
    spec:
      ratioMetric:
        good:
          metricSource:
            type: watchkeeper
            spec: {task: answer, environment: production, outcome: ok}
        total:
          metricSource: {type: watchkeeper, spec: {task: answer, environment: production}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
"""
ALL = (APP, CHANNEL, TASK, SLO)

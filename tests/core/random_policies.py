"""What a policy of random actions earns: where the lower reference scores of core/references.py come from.

    python tests/core/random_policies.py [TASK ...]

prints the mean return of 1,000 episodes of actions drawn evenly, environment and actions seeded once with 0.
"""

import sys

import gymnasium

EPISODES, SEED = 1_000, 0


def mean_return(task: str, episodes: int = EPISODES) -> float:
    """The mean return per episode, undiscounted, up to the task's own time limit."""
    env = gymnasium.make(task)
    env.reset(seed=SEED)
    env.action_space.seed(SEED)
    total = 0.0
    for episode in range(episodes):
        if episode:
            env.reset()
        over = False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, over = total + float(reward), terminated or truncated
    env.close()
    return total / episodes


if __name__ == "__main__":
    for named in sys.argv[1:]:
        print(f"{named}: {mean_return(named):.4f}", flush=True)

/** What `rollout init --help` says, with a whole file of answers: a test writes that very example. Imports nothing. */
export const INIT_HELP = `Writes environments/NAME.yaml below --config (default: this folder), with comments. On a terminal it can look at the project to propose roles, waves and which VMs need a rule. No file that exists is changed, and nothing is written that would not be right. An answers file holds environments, a list of maps with name, projects or hostsFile, bucket or folder, sshUser or osLogin, and perhaps prometheus, promotesFrom, roleLabel, address, zones, filter, prefix, delivery, identityFile, iap, tokenEnv, hostLabel, hostValue, matchers, strata, keyFile, impersonate. Such as:

  environments:
    - name: gstg
      projects: [my-staging]
      bucket: my-staging-rollout
      prometheus: https://prometheus.staging.example.com
      sshUser: rollout
    - name: gprd
      promotesFrom: gstg
      projects: [my-production]
      zones: [us-east1-b, us-east1-c]
      bucket: my-production-rollout
      keyFile: ~/keys/rollout-gprd.json
      prometheus: https://prometheus.example.com
      osLogin: true
  playbooks: false`;

// Settings that a minor version no longer knows, by the minor they are gone in: whoever still has one does not start.
// Read from the sources of v1.26 to v1.36: every Feature constant with a spec in k8s.io/kubernetes pkg/features, k8s.io/apiserver,
// apiextensions-apiserver, component-base, client-go, controller-manager and kube-aggregator of one minor and not of the next; flags of
// cmd/*/app/options, kubeadm's gates of cmd/kubeadm/app/features. Gates are known to all processes alike.

/** Names, apart by spaces, by the first minor without them. */
type ByMinor = Readonly<Record<string, string>>;

export const gatesGone: ByMinor = {
  '1.27':
    'CSIInlineVolume CSIMigration CSIMigrationAWS CSIMigrationAzureDisk ControllerManagerLeaderMigration ' +
    'DaemonSetUpdateSurge EphemeralContainers ExpandCSIVolumes ExpandInUsePersistentVolumes ' +
    'ExpandPersistentVolumes IPv6DualStack IdentifyPodOS LocalStorageCapacityIsolation NetworkPolicyEndPort ' +
    'StatefulSetMinReadySeconds',
  '1.28':
    'AdvancedAuditing CSIMigrationGCE CSIStorageCapacity DelegateFSGroupToCSIDriver DevicePlugins ' +
    'DisableAcceleratorUsageMetrics DryRun EndpointSliceTerminatingCondition KubeletCredentialProviders ' +
    'MixedProtocolLBService NetworkPolicyStatus PodHasNetworkCondition PodSecurity ServiceIPStaticSubrange ' +
    'ServiceInternalTrafficPolicy UserNamespacesStatelessPodsSupport WindowsHostProcessContainers',
  '1.29':
    'CSIMigrationvSphere CronJobTimeZone DownwardAPIHugePages GRPCContainerProbe ' +
    'JobMutableNodeSchedulingDirectives JobTrackingWithFinalizers LegacyServiceAccountTokenNoAutoGeneration ' +
    'MultiCIDRRangeAllocator OpenAPIV3 ProbeTerminationGracePeriod RetroactiveDefaultStorageClass SeccompDefault ' +
    'TopologyManager',
  '1.30':
    'APISelfSubjectReview CSIMigrationAzureFile ExpandedDNSConfig ExperimentalHostUserNamespaceDefaulting ' +
    'IPTablesOwnershipCleanup KubeletPodResources KubeletPodResourcesGetAllocatable ' +
    'LegacyServiceAccountTokenTracking MinimizeIPTablesRestore ProxyTerminatingEndpoints RemoveSelfLink ' +
    'SecurityContextDeny',
  '1.31':
    'APIPriorityAndFairness CSIMigrationRBD CSINodeExpandSecret ConsistentHTTPGetHandlers ' +
    'CustomResourceValidationExpressions DefaultHostNetworkHostPortsInPodTemplates InTreePluginAWSUnregister ' +
    'InTreePluginAzureDiskUnregister InTreePluginAzureFileUnregister InTreePluginGCEUnregister ' +
    'InTreePluginOpenStackUnregister InTreePluginRBDUnregister InTreePluginvSphereUnregister JobReadyPods ' +
    'ReadWriteOncePod ServiceNodePortStaticSubrange SkipReadOnlyValidationGCE',
  '1.32':
    'CloudDualStackNodeIPs DRAControlPlaneController HPAContainerMetrics KMSv2 KMSv2KDF ' +
    'LegacyServiceAccountTokenCleanUp MinDomainsInPodTopologySpread NewVolumeManagerReconstruction ' +
    'NodeOutOfServiceVolumeDetach PodHostIPs ServerSideApply ServerSideFieldValidation StableLoadBalancerNodeSet ' +
    'ValidatingAdmissionPolicy ZeroLimitedNominalConcurrencyShares',
  '1.33':
    'APIListChunking AdmissionWebhookMatchConditions AggregatedDiscoveryEndpoint AppArmor AppArmorFields ' +
    'CPUManager DisableCloudProviders DisableKubeletCloudCredentialProviders EfficientWatchResumption ' +
    'JobPodFailurePolicy KubeProxyDrainingTerminatingNodes PDBUnhealthyPodEvictionPolicy ' +
    'PersistentVolumeLastPhaseTransitionTime RemainingItemCount VolumeCapacityPriority WatchBookmark',
  '1.34':
    'DevicePluginCDIDevices ElasticIndexedJob LegacySidecarContainers PodDisruptionConditions ' +
    'StatefulSetStartOrdinal',
  '1.35':
    'AllowServiceLBStatusOnNonLB ComponentSLIs CronJobsScheduledAnnotation LoadBalancerIPMode PodIndexLabel ' +
    'ProbeHostPodSecurityStandards SizeMemoryBackedVolumes StatefulSetAutoDeletePVC StrictCostEnforcementForVAP ' +
    'StrictCostEnforcementForWebhooks UserNamespacesPodSecurityStandards',
  '1.36':
    'CSIMigrationPortworx HonorPVReclaimPolicy InPlacePodVerticalScalingAllocatedStatus ' +
    'InTreePluginPortworxUnregister MemoryManager ServiceTrafficDistribution StructuredAuthorizationConfiguration ' +
    'TopologyAwareHints WatchFromStorageWithoutResourceVersion',
};

/** LockToDefault: from this minor on only this value is accepted, true, or false where a minus stands before the name. */
export const gatesLocked: ByMinor = {
  '1.27':
    'AdvancedAuditing CSIMigrationAzureFile CronJobTimeZone DownwardAPIHugePages GRPCContainerProbe ' +
    'JobMutableNodeSchedulingDirectives LegacyServiceAccountTokenNoAutoGeneration OpenAPIV3 SeccompDefault ' +
    'ServerSideFieldValidation TopologyManager',
  '1.28':
    'APISelfSubjectReview ExpandedDNSConfig -ExperimentalHostUserNamespaceDefaulting IPTablesOwnershipCleanup ' +
    'KubeletPodResources KubeletPodResourcesGetAllocatable LegacyServiceAccountTokenTracking ' +
    'MinimizeIPTablesRestore NodeOutOfServiceVolumeDetach ProbeTerminationGracePeriod ProxyTerminatingEndpoints ' +
    'RetroactiveDefaultStorageClass',
  '1.29':
    'APIListChunking APIPriorityAndFairness CSINodeExpandSecret CustomResourceValidationExpressions JobReadyPods ' +
    'KMSv2 KMSv2KDF ReadWriteOncePod RemainingItemCount ServiceNodePortStaticSubrange',
  '1.30':
    'AdmissionWebhookMatchConditions AggregatedDiscoveryEndpoint CloudDualStackNodeIPs ConsistentHTTPGetHandlers ' +
    'HPAContainerMetrics LegacyServiceAccountTokenCleanUp MinDomainsInPodTopologySpread ' +
    'NewVolumeManagerReconstruction PodHostIPs PodSchedulingReadiness StableLoadBalancerNodeSet ' +
    'ValidatingAdmissionPolicy ZeroLimitedNominalConcurrencyShares',
  '1.31':
    'AppArmor AppArmorFields DevicePluginCDIDevices DisableCloudProviders DisableKubeletCloudCredentialProviders ' +
    'ElasticIndexedJob JobPodFailurePolicy KubeProxyDrainingTerminatingNodes LogarithmicScaleDown ' +
    'PDBUnhealthyPodEvictionPolicy PersistentVolumeLastPhaseTransitionTime PodDisruptionConditions ' +
    'StatefulSetStartOrdinal',
  '1.32':
    '-AllowServiceLBStatusOnNonLB ComponentSLIs CronJobsScheduledAnnotation CustomResourceFieldSelectors ' +
    'LoadBalancerIPMode MemoryManager PodIndexLabel RetryGenerateName ServiceAccountTokenJTI ' +
    'ServiceAccountTokenNodeBindingValidation ServiceAccountTokenPodNodeInfo SizeMemoryBackedVolumes ' +
    'StatefulSetAutoDeletePVC StrictCostEnforcementForVAP StrictCostEnforcementForWebhooks ' +
    'StructuredAuthorizationConfiguration',
  '1.33':
    'AnyVolumeDataSource BtreeWatchCache CPUManagerPolicyOptions CRDValidationRatcheting CSIMigrationPortworx ' +
    'HonorPVReclaimPolicy JobBackoffLimitPerIndex JobSuccessPolicy MatchLabelKeysInPodAffinity NFTablesProxyMode ' +
    'NodeInclusionPolicyInPodTopologySpread RecursiveReadOnlyMounts ServiceAccountTokenNodeBinding ' +
    'ServiceTrafficDistribution SidecarContainers TopologyAwareHints -WatchFromStorageWithoutResourceVersion',
  '1.34':
    'APIServerTracing AnonymousAuthConfigurableEndpoints AuthorizeNodeWithSelectors AuthorizeWithSelectors ' +
    'ConsistentListFromCache JobPodReplacementPolicy KubeletCgroupDriverFromCRI KubeletTracing ' +
    'MultiCIDRServiceAllocator NodeSwap OrderedNamespaceDeletion PodLifecycleSleepAction ' +
    'PodLifecycleSleepActionAllowZero ProbeHostPodSecurityStandards RecoverVolumeExpansionFailure ' +
    'RelaxedDNSSearchValidation RelaxedEnvironmentVariableValidation ResilientWatchCacheInitialization ' +
    'SchedulerQueueingHints SeparateTaintEvictionController StreamingCollectionEncodingToJSON ' +
    'StreamingCollectionEncodingToProtobuf StructuredAuthenticationConfiguration WinDSR WinOverlay',
  '1.35':
    'AggregatedDiscoveryRemoveBetaType -AllowOverwriteTerminationGracePeriodSeconds DisableAllocatorDualWrite ' +
    'DynamicResourceAllocation ExecProbeTimeout ImageMaximumGCAge InPlacePodVerticalScaling JobManagedBy ' +
    'PodObservedGenerationTracking PreferSameTrafficDistribution SupplementalGroupsPolicy',
  '1.36':
    'CSIServiceAccountTokenSecrets DRAAdminAccess DeclarativeValidation DisableNodeKubeProxyVersion ' +
    'ExternalServiceAccountTokenSigner -GitRepoVolumeDriver ImageVolume InOrderInformers KubeletFineGrainedAuthz ' +
    'KubeletPSI KubeletPodResourcesDynamicResources KubeletPodResourcesGet MutableCSINodeAllocatableCount ' +
    'NodeLogQuery ProcMountType SELinuxChangePolicy SELinuxMountReadWriteOncePod -SeparateCacheWatchRPC ' +
    'TopologyManagerPolicyOptions UserNamespacesSupport VolumeAttributesClass',
};

/** featureGates of kubeadm's own ClusterConfiguration. */
export const kubeadmGatesGone: ByMinor = {
  '1.31': 'UpgradeAddonsBeforeControlPlane',
  '1.33': 'EtcdLearnerMode',
  '1.35': 'WaitForAllControlPlaneComponents',
  '1.36': 'ControlPlaneKubeletLocalMode',
};

/** Flags, by process. What kubeadm itself takes out of kubeadm-flags.env on the way is none of them. */
export const flagsGone: Readonly<Record<string, ByMinor>> = {
  'kube-apiserver': {
    '1.31': 'cloud-provider-gce-l7lb-src-cidrs cloud-provider-gce-lb-src-cidrs',
    '1.33': 'cloud-config cloud-provider',
  },
  'kube-controller-manager': {
    '1.27': 'enable-taint-manager pod-eviction-timeout',
    '1.31':
      'horizontal-pod-autoscaler-downscale-delay horizontal-pod-autoscaler-upscale-delay ' +
      'volume-host-allow-local-loopback volume-host-cidr-denylist',
  },
  'kube-scheduler': { '1.28': 'lock-object-name lock-object-namespace' },
  kubelet: {
    '1.27': 'container-runtime master-service-namespace',
    '1.30': 'azure-container-registry-config',
    '1.31': 'iptables-drop-bit iptables-masquerade-bit keep-terminated-pod-volumes',
    '1.34': 'cloud-config register-schedulable',
    '1.35': 'pod-infra-container-image',
  },
};

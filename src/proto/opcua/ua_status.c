/* Status codes (OPC 10000-6 A.2) and the quality of samples. The reason of a bad code that is not about data
 * is "refused by the device": the server said no. */
#include "bornite/sample.h"
#include "proto/opcua/ua_status.h"

static const struct status {
    uint32_t code;
    uint8_t reason;
    const char *name;
} statuses[] = {
    {0x00000000, REASON_NONE, "Good"},
    {0x002d0000, REASON_NONE, "GoodSubscriptionTransferred"},
    {0x002e0000, REASON_NONE, "GoodCompletesAsynchronously"},
    {0x002f0000, REASON_NONE, "GoodOverload"},
    {0x00300000, REASON_OUT_OF_RANGE, "GoodClamped"},
    {0x00960000, REASON_MANUAL, "GoodLocalOverride"},
    {0x00a20000, REASON_NONE, "GoodEntryInserted"},
    {0x00a30000, REASON_NONE, "GoodEntryReplaced"},
    {0x00a50000, REASON_NO_DATA, "GoodNoData"},
    {0x00a60000, REASON_NONE, "GoodMoreData"},
    {0x00a70000, REASON_NONE, "GoodCommunicationEvent"},
    {0x00a80000, REASON_NONE, "GoodShutdownEvent"},
    {0x00a90000, REASON_NONE, "GoodCallAgain"},
    {0x00aa0000, REASON_NONE, "GoodNonCriticalTimeout"},
    {0x00ba0000, REASON_NONE, "GoodResultsMayBeIncomplete"},
    {0x00d90000, REASON_NONE, "GoodDataIgnored"},
    {0x00dc0000, REASON_MANUAL, "GoodEdited"},
    {0x00dd0000, REASON_NONE, "GoodPostActionFailed"},
    {0x00df0000, REASON_NONE, "GoodRetransmissionQueueNotSupported"},
    {0x00e00000, REASON_NONE, "GoodDependentValueChanged"},
    {0x00eb0000, REASON_NONE, "GoodSubNormal"},
    {0x00ef0000, REASON_NONE, "GoodPasswordChangeRequired"},
    {0x01160000, REASON_MANUAL, "GoodEdited_DependentValueChanged"},
    {0x01170000, REASON_MANUAL, "GoodEdited_DominantValueChanged"},
    {0x01180000, REASON_MANUAL, "GoodEdited_DominantValueChanged_DependentValueChanged"},
    {0x04010000, REASON_NONE, "GoodCascadeInitializationAcknowledged"},
    {0x04020000, REASON_NONE, "GoodCascadeInitializationRequest"},
    {0x04030000, REASON_NONE, "GoodCascadeNotInvited"},
    {0x04040000, REASON_NONE, "GoodCascadeNotSelected"},
    {0x04070000, REASON_NONE, "GoodFaultStateActive"},
    {0x04080000, REASON_NONE, "GoodInitiateFaultState"},
    {0x04090000, REASON_NONE, "GoodCascade"},
    {0x40000000, REASON_NONE, "Uncertain"},
    {0x406c0000, REASON_NONE, "UncertainReferenceOutOfServer"},
    {0x408f0000, REASON_LAST_KNOWN, "UncertainNoCommunicationLastUsableValue"},
    {0x40900000, REASON_LAST_KNOWN, "UncertainLastUsableValue"},
    {0x40910000, REASON_SUBSTITUTED, "UncertainSubstituteValue"},
    {0x40920000, REASON_NO_DATA, "UncertainInitialValue"},
    {0x40930000, REASON_SENSOR_FAILURE, "UncertainSensorNotAccurate"},
    {0x40940000, REASON_OUT_OF_RANGE, "UncertainEngineeringUnitsExceeded"},
    {0x40950000, REASON_SENSOR_FAILURE, "UncertainSubNormal"},
    {0x40a40000, REASON_SENSOR_FAILURE, "UncertainDataSubNormal"},
    {0x40bc0000, REASON_NONE, "UncertainReferenceNotDeleted"},
    {0x40c00000, REASON_NONE, "UncertainNotAllNodesAvailable"},
    {0x40de0000, REASON_NONE, "UncertainDominantValueChanged"},
    {0x40e20000, REASON_NONE, "UncertainDependentValueChanged"},
    {0x40f20000, REASON_OUT_OF_RANGE, "UncertainOverRange"},
    {0x40f30000, REASON_OUT_OF_RANGE, "UncertainUnderRange"},
    {0x42080000, REASON_MANUAL, "UncertainTransducerInManual"},
    {0x42090000, REASON_SUBSTITUTED, "UncertainSimulatedValue"},
    {0x420a0000, REASON_SENSOR_FAILURE, "UncertainSensorCalibration"},
    {0x420f0000, REASON_CONFIG_ERROR, "UncertainConfigurationError"},
    {0x80000000, REASON_NONE, "Bad"},
    {0x80010000, REASON_DEVICE_FAILURE, "BadUnexpectedError"},
    {0x80020000, REASON_DEVICE_FAILURE, "BadInternalError"},
    {0x80030000, REASON_DEVICE_EXCEPTION, "BadOutOfMemory"},
    {0x80040000, REASON_DEVICE_FAILURE, "BadResourceUnavailable"},
    {0x80050000, REASON_COMM_FAILURE, "BadCommunicationError"},
    {0x80060000, REASON_COMM_FAILURE, "BadEncodingError"},
    {0x80070000, REASON_COMM_FAILURE, "BadDecodingError"},
    {0x80080000, REASON_COMM_FAILURE, "BadEncodingLimitsExceeded"},
    {0x80090000, REASON_COMM_FAILURE, "BadUnknownResponse"},
    {0x800a0000, REASON_COMM_FAILURE, "BadTimeout"},
    {0x800b0000, REASON_DEVICE_EXCEPTION, "BadServiceUnsupported"},
    {0x800c0000, REASON_NOT_CONNECTED, "BadShutdown"},
    {0x800d0000, REASON_NOT_CONNECTED, "BadServerNotConnected"},
    {0x800e0000, REASON_NOT_CONNECTED, "BadServerHalted"},
    {0x800f0000, REASON_DEVICE_EXCEPTION, "BadNothingToDo"},
    {0x80100000, REASON_DEVICE_EXCEPTION, "BadTooManyOperations"},
    {0x80110000, REASON_CONFIG_ERROR, "BadDataTypeIdUnknown"},
    {0x80120000, REASON_DEVICE_EXCEPTION, "BadCertificateInvalid"},
    {0x80130000, REASON_DEVICE_EXCEPTION, "BadSecurityChecksFailed"},
    {0x80140000, REASON_DEVICE_EXCEPTION, "BadCertificateTimeInvalid"},
    {0x80150000, REASON_DEVICE_EXCEPTION, "BadCertificateIssuerTimeInvalid"},
    {0x80160000, REASON_DEVICE_EXCEPTION, "BadCertificateHostNameInvalid"},
    {0x80170000, REASON_DEVICE_EXCEPTION, "BadCertificateUriInvalid"},
    {0x80180000, REASON_DEVICE_EXCEPTION, "BadCertificateUseNotAllowed"},
    {0x80190000, REASON_DEVICE_EXCEPTION, "BadCertificateIssuerUseNotAllowed"},
    {0x801a0000, REASON_DEVICE_EXCEPTION, "BadCertificateUntrusted"},
    {0x801b0000, REASON_DEVICE_EXCEPTION, "BadCertificateRevocationUnknown"},
    {0x801c0000, REASON_DEVICE_EXCEPTION, "BadCertificateIssuerRevocationUnknown"},
    {0x801d0000, REASON_DEVICE_EXCEPTION, "BadCertificateRevoked"},
    {0x801e0000, REASON_DEVICE_EXCEPTION, "BadCertificateIssuerRevoked"},
    {0x801f0000, REASON_DEVICE_EXCEPTION, "BadUserAccessDenied"},
    {0x80200000, REASON_DEVICE_EXCEPTION, "BadIdentityTokenInvalid"},
    {0x80210000, REASON_DEVICE_EXCEPTION, "BadIdentityTokenRejected"},
    {0x80220000, REASON_NOT_CONNECTED, "BadSecureChannelIdInvalid"},
    {0x80230000, REASON_DEVICE_EXCEPTION, "BadInvalidTimestamp"},
    {0x80240000, REASON_DEVICE_EXCEPTION, "BadNonceInvalid"},
    {0x80250000, REASON_NOT_CONNECTED, "BadSessionIdInvalid"},
    {0x80260000, REASON_NOT_CONNECTED, "BadSessionClosed"},
    {0x80270000, REASON_NOT_CONNECTED, "BadSessionNotActivated"},
    {0x80280000, REASON_DEVICE_EXCEPTION, "BadSubscriptionIdInvalid"},
    {0x802a0000, REASON_DEVICE_EXCEPTION, "BadRequestHeaderInvalid"},
    {0x802b0000, REASON_DEVICE_EXCEPTION, "BadTimestampsToReturnInvalid"},
    {0x802c0000, REASON_DEVICE_EXCEPTION, "BadRequestCancelledByClient"},
    {0x80310000, REASON_COMM_FAILURE, "BadNoCommunication"},
    {0x80320000, REASON_NO_DATA, "BadWaitingForInitialData"},
    {0x80330000, REASON_CONFIG_ERROR, "BadNodeIdInvalid"},
    {0x80340000, REASON_CONFIG_ERROR, "BadNodeIdUnknown"},
    {0x80350000, REASON_CONFIG_ERROR, "BadAttributeIdInvalid"},
    {0x80360000, REASON_CONFIG_ERROR, "BadIndexRangeInvalid"},
    {0x80370000, REASON_NO_DATA, "BadIndexRangeNoData"},
    {0x80380000, REASON_CONFIG_ERROR, "BadDataEncodingInvalid"},
    {0x80390000, REASON_CONFIG_ERROR, "BadDataEncodingUnsupported"},
    {0x803a0000, REASON_CONFIG_ERROR, "BadNotReadable"},
    {0x803b0000, REASON_DEVICE_EXCEPTION, "BadNotWritable"},
    {0x803c0000, REASON_OUT_OF_RANGE, "BadOutOfRange"},
    {0x803d0000, REASON_CONFIG_ERROR, "BadNotSupported"},
    {0x803e0000, REASON_DEVICE_EXCEPTION, "BadNotFound"},
    {0x803f0000, REASON_CONFIG_ERROR, "BadObjectDeleted"},
    {0x80400000, REASON_CONFIG_ERROR, "BadNotImplemented"},
    {0x80410000, REASON_DEVICE_EXCEPTION, "BadMonitoringModeInvalid"},
    {0x80420000, REASON_DEVICE_EXCEPTION, "BadMonitoredItemIdInvalid"},
    {0x80430000, REASON_CONFIG_ERROR, "BadMonitoredItemFilterInvalid"},
    {0x80440000, REASON_CONFIG_ERROR, "BadMonitoredItemFilterUnsupported"},
    {0x80450000, REASON_CONFIG_ERROR, "BadFilterNotAllowed"},
    {0x80460000, REASON_DEVICE_EXCEPTION, "BadStructureMissing"},
    {0x80470000, REASON_DEVICE_EXCEPTION, "BadEventFilterInvalid"},
    {0x80480000, REASON_DEVICE_EXCEPTION, "BadContentFilterInvalid"},
    {0x80490000, REASON_DEVICE_EXCEPTION, "BadFilterOperandInvalid"},
    {0x804a0000, REASON_DEVICE_EXCEPTION, "BadContinuationPointInvalid"},
    {0x804b0000, REASON_DEVICE_EXCEPTION, "BadNoContinuationPoints"},
    {0x804c0000, REASON_DEVICE_EXCEPTION, "BadReferenceTypeIdInvalid"},
    {0x804d0000, REASON_DEVICE_EXCEPTION, "BadBrowseDirectionInvalid"},
    {0x804e0000, REASON_DEVICE_EXCEPTION, "BadNodeNotInView"},
    {0x804f0000, REASON_DEVICE_EXCEPTION, "BadServerUriInvalid"},
    {0x80500000, REASON_DEVICE_EXCEPTION, "BadServerNameMissing"},
    {0x80510000, REASON_DEVICE_EXCEPTION, "BadDiscoveryUrlMissing"},
    {0x80520000, REASON_DEVICE_EXCEPTION, "BadSemaphoreFileMissing"},
    {0x80530000, REASON_DEVICE_EXCEPTION, "BadRequestTypeInvalid"},
    {0x80540000, REASON_DEVICE_EXCEPTION, "BadSecurityModeRejected"},
    {0x80550000, REASON_DEVICE_EXCEPTION, "BadSecurityPolicyRejected"},
    {0x80560000, REASON_DEVICE_EXCEPTION, "BadTooManySessions"},
    {0x80570000, REASON_DEVICE_EXCEPTION, "BadUserSignatureInvalid"},
    {0x80580000, REASON_DEVICE_EXCEPTION, "BadApplicationSignatureInvalid"},
    {0x80590000, REASON_DEVICE_EXCEPTION, "BadNoValidCertificates"},
    {0x805a0000, REASON_DEVICE_EXCEPTION, "BadRequestCancelledByRequest"},
    {0x805b0000, REASON_DEVICE_EXCEPTION, "BadParentNodeIdInvalid"},
    {0x805c0000, REASON_DEVICE_EXCEPTION, "BadReferenceNotAllowed"},
    {0x805d0000, REASON_DEVICE_EXCEPTION, "BadNodeIdRejected"},
    {0x805e0000, REASON_DEVICE_EXCEPTION, "BadNodeIdExists"},
    {0x805f0000, REASON_DEVICE_EXCEPTION, "BadNodeClassInvalid"},
    {0x80600000, REASON_DEVICE_EXCEPTION, "BadBrowseNameInvalid"},
    {0x80610000, REASON_DEVICE_EXCEPTION, "BadBrowseNameDuplicated"},
    {0x80620000, REASON_DEVICE_EXCEPTION, "BadNodeAttributesInvalid"},
    {0x80630000, REASON_DEVICE_EXCEPTION, "BadTypeDefinitionInvalid"},
    {0x80640000, REASON_DEVICE_EXCEPTION, "BadSourceNodeIdInvalid"},
    {0x80650000, REASON_DEVICE_EXCEPTION, "BadTargetNodeIdInvalid"},
    {0x80660000, REASON_DEVICE_EXCEPTION, "BadDuplicateReferenceNotAllowed"},
    {0x80670000, REASON_DEVICE_EXCEPTION, "BadInvalidSelfReference"},
    {0x80680000, REASON_DEVICE_EXCEPTION, "BadReferenceLocalOnly"},
    {0x80690000, REASON_DEVICE_EXCEPTION, "BadNoDeleteRights"},
    {0x806a0000, REASON_DEVICE_EXCEPTION, "BadServerIndexInvalid"},
    {0x806b0000, REASON_DEVICE_EXCEPTION, "BadViewIdUnknown"},
    {0x806d0000, REASON_DEVICE_EXCEPTION, "BadTooManyMatches"},
    {0x806e0000, REASON_DEVICE_EXCEPTION, "BadQueryTooComplex"},
    {0x806f0000, REASON_DEVICE_EXCEPTION, "BadNoMatch"},
    {0x80700000, REASON_DEVICE_EXCEPTION, "BadMaxAgeInvalid"},
    {0x80710000, REASON_DEVICE_EXCEPTION, "BadHistoryOperationInvalid"},
    {0x80720000, REASON_DEVICE_EXCEPTION, "BadHistoryOperationUnsupported"},
    {0x80730000, REASON_DEVICE_EXCEPTION, "BadWriteNotSupported"},
    {0x80740000, REASON_CONFIG_ERROR, "BadTypeMismatch"},
    {0x80750000, REASON_DEVICE_EXCEPTION, "BadMethodInvalid"},
    {0x80760000, REASON_DEVICE_EXCEPTION, "BadArgumentsMissing"},
    {0x80770000, REASON_DEVICE_EXCEPTION, "BadTooManySubscriptions"},
    {0x80780000, REASON_DEVICE_EXCEPTION, "BadTooManyPublishRequests"},
    {0x80790000, REASON_DEVICE_EXCEPTION, "BadNoSubscription"},
    {0x807a0000, REASON_DEVICE_EXCEPTION, "BadSequenceNumberUnknown"},
    {0x807b0000, REASON_DEVICE_EXCEPTION, "BadMessageNotAvailable"},
    {0x807c0000, REASON_DEVICE_EXCEPTION, "BadInsufficientClientProfile"},
    {0x807d0000, REASON_NOT_CONNECTED, "BadTcpServerTooBusy"},
    {0x807e0000, REASON_COMM_FAILURE, "BadTcpMessageTypeInvalid"},
    {0x807f0000, REASON_NOT_CONNECTED, "BadTcpSecureChannelUnknown"},
    {0x80800000, REASON_COMM_FAILURE, "BadTcpMessageTooLarge"},
    {0x80810000, REASON_NOT_CONNECTED, "BadTcpNotEnoughResources"},
    {0x80820000, REASON_COMM_FAILURE, "BadTcpInternalError"},
    {0x80830000, REASON_NOT_CONNECTED, "BadTcpEndpointUrlInvalid"},
    {0x80840000, REASON_DEVICE_EXCEPTION, "BadRequestInterrupted"},
    {0x80850000, REASON_COMM_FAILURE, "BadRequestTimeout"},
    {0x80860000, REASON_NOT_CONNECTED, "BadSecureChannelClosed"},
    {0x80870000, REASON_NOT_CONNECTED, "BadSecureChannelTokenUnknown"},
    {0x80880000, REASON_COMM_FAILURE, "BadSequenceNumberInvalid"},
    {0x80890000, REASON_CONFIG_ERROR, "BadConfigurationError"},
    {0x808a0000, REASON_NOT_CONNECTED, "BadNotConnected"},
    {0x808b0000, REASON_DEVICE_FAILURE, "BadDeviceFailure"},
    {0x808c0000, REASON_SENSOR_FAILURE, "BadSensorFailure"},
    {0x808d0000, REASON_OUT_OF_SERVICE, "BadOutOfService"},
    {0x808e0000, REASON_CONFIG_ERROR, "BadDeadbandFilterInvalid"},
    {0x80970000, REASON_DEVICE_EXCEPTION, "BadRefreshInProgress"},
    {0x80980000, REASON_DEVICE_EXCEPTION, "BadConditionAlreadyDisabled"},
    {0x80990000, REASON_DEVICE_EXCEPTION, "BadConditionDisabled"},
    {0x809a0000, REASON_DEVICE_EXCEPTION, "BadEventIdUnknown"},
    {0x809b0000, REASON_NO_DATA, "BadNoData"},
    {0x809d0000, REASON_NO_DATA, "BadDataLost"},
    {0x809e0000, REASON_NO_DATA, "BadDataUnavailable"},
    {0x809f0000, REASON_DEVICE_EXCEPTION, "BadEntryExists"},
    {0x80a00000, REASON_DEVICE_EXCEPTION, "BadNoEntryExists"},
    {0x80a10000, REASON_DEVICE_EXCEPTION, "BadTimestampNotSupported"},
    {0x80ab0000, REASON_DEVICE_EXCEPTION, "BadInvalidArgument"},
    {0x80ac0000, REASON_NOT_CONNECTED, "BadConnectionRejected"},
    {0x80ad0000, REASON_NOT_CONNECTED, "BadDisconnect"},
    {0x80ae0000, REASON_NOT_CONNECTED, "BadConnectionClosed"},
    {0x80af0000, REASON_DEVICE_EXCEPTION, "BadInvalidState"},
    {0x80b00000, REASON_NO_DATA, "BadEndOfStream"},
    {0x80b10000, REASON_NO_DATA, "BadNoDataAvailable"},
    {0x80b20000, REASON_DEVICE_EXCEPTION, "BadWaitingForResponse"},
    {0x80b30000, REASON_DEVICE_EXCEPTION, "BadOperationAbandoned"},
    {0x80b40000, REASON_DEVICE_EXCEPTION, "BadExpectedStreamToBlock"},
    {0x80b50000, REASON_DEVICE_EXCEPTION, "BadWouldBlock"},
    {0x80b60000, REASON_DEVICE_EXCEPTION, "BadSyntaxError"},
    {0x80b70000, REASON_DEVICE_EXCEPTION, "BadMaxConnectionsReached"},
    {0x80b80000, REASON_DEVICE_EXCEPTION, "BadRequestTooLarge"},
    {0x80b90000, REASON_DEVICE_EXCEPTION, "BadResponseTooLarge"},
    {0x80bb0000, REASON_DEVICE_EXCEPTION, "BadEventNotAcknowledgeable"},
    {0x80bd0000, REASON_DEVICE_EXCEPTION, "BadInvalidTimestampArgument"},
    {0x80be0000, REASON_DEVICE_EXCEPTION, "BadProtocolVersionUnsupported"},
    {0x80bf0000, REASON_DEVICE_EXCEPTION, "BadStateNotActive"},
    {0x80c10000, REASON_DEVICE_EXCEPTION, "BadFilterOperatorInvalid"},
    {0x80c20000, REASON_DEVICE_EXCEPTION, "BadFilterOperatorUnsupported"},
    {0x80c30000, REASON_DEVICE_EXCEPTION, "BadFilterOperandCountMismatch"},
    {0x80c40000, REASON_DEVICE_EXCEPTION, "BadFilterElementInvalid"},
    {0x80c50000, REASON_DEVICE_EXCEPTION, "BadFilterLiteralInvalid"},
    {0x80c60000, REASON_DEVICE_EXCEPTION, "BadIdentityChangeNotSupported"},
    {0x80c80000, REASON_DEVICE_EXCEPTION, "BadNotTypeDefinition"},
    {0x80c90000, REASON_DEVICE_EXCEPTION, "BadViewTimestampInvalid"},
    {0x80ca0000, REASON_DEVICE_EXCEPTION, "BadViewParameterMismatch"},
    {0x80cb0000, REASON_DEVICE_EXCEPTION, "BadViewVersionInvalid"},
    {0x80cc0000, REASON_DEVICE_EXCEPTION, "BadConditionAlreadyEnabled"},
    {0x80cd0000, REASON_DEVICE_EXCEPTION, "BadDialogNotActive"},
    {0x80ce0000, REASON_DEVICE_EXCEPTION, "BadDialogResponseInvalid"},
    {0x80cf0000, REASON_DEVICE_EXCEPTION, "BadConditionBranchAlreadyAcked"},
    {0x80d00000, REASON_DEVICE_EXCEPTION, "BadConditionBranchAlreadyConfirmed"},
    {0x80d10000, REASON_DEVICE_EXCEPTION, "BadConditionAlreadyShelved"},
    {0x80d20000, REASON_DEVICE_EXCEPTION, "BadConditionNotShelved"},
    {0x80d30000, REASON_DEVICE_EXCEPTION, "BadShelvingTimeOutOfRange"},
    {0x80d40000, REASON_DEVICE_EXCEPTION, "BadAggregateListMismatch"},
    {0x80d50000, REASON_DEVICE_EXCEPTION, "BadAggregateNotSupported"},
    {0x80d60000, REASON_DEVICE_EXCEPTION, "BadAggregateInvalidInputs"},
    {0x80d70000, REASON_NO_DATA, "BadBoundNotFound"},
    {0x80d80000, REASON_DEVICE_EXCEPTION, "BadBoundNotSupported"},
    {0x80da0000, REASON_DEVICE_EXCEPTION, "BadAggregateConfigurationRejected"},
    {0x80db0000, REASON_DEVICE_EXCEPTION, "BadTooManyMonitoredItems"},
    {0x80e10000, REASON_DEVICE_EXCEPTION, "BadDominantValueChanged"},
    {0x80e30000, REASON_DEVICE_EXCEPTION, "BadDependentValueChanged"},
    {0x80e40000, REASON_DEVICE_EXCEPTION, "BadRequestNotAllowed"},
    {0x80e50000, REASON_DEVICE_EXCEPTION, "BadTooManyArguments"},
    {0x80e60000, REASON_DEVICE_EXCEPTION, "BadSecurityModeInsufficient"},
    {0x80e70000, REASON_DEVICE_EXCEPTION, "BadDataSetIdInvalid"},
    {0x80e80000, REASON_DEVICE_EXCEPTION, "BadTransactionPending"},
    {0x80e90000, REASON_DEVICE_EXCEPTION, "BadLocked"},
    {0x80ea0000, REASON_CONFIG_ERROR, "BadIndexRangeDataMismatch"},
    {0x80ec0000, REASON_DEVICE_EXCEPTION, "BadRequiresLock"},
    {0x80ed0000, REASON_DEVICE_EXCEPTION, "BadLocaleNotSupported"},
    {0x80ee0000, REASON_DEVICE_EXCEPTION, "BadServerTooBusy"},
    {0x80f00000, REASON_NO_DATA, "BadNoValue"},
    {0x80f10000, REASON_DEVICE_EXCEPTION, "BadTransactionFailed"},
    {0x810d0000, REASON_DEVICE_EXCEPTION, "BadCertificateChainIncomplete"},
    {0x810e0000, REASON_DEVICE_EXCEPTION, "BadLicenseExpired"},
    {0x810f0000, REASON_DEVICE_EXCEPTION, "BadLicenseLimitsExceeded"},
    {0x81100000, REASON_DEVICE_EXCEPTION, "BadLicenseNotAvailable"},
    {0x81110000, REASON_DEVICE_EXCEPTION, "BadNotExecutable"},
    {0x81120000, REASON_OUT_OF_RANGE, "BadNumericOverflow"},
    {0x81130000, REASON_DEVICE_EXCEPTION, "BadRequestNotComplete"},
    {0x81140000, REASON_DEVICE_EXCEPTION, "BadCertificatePolicyCheckFailed"},
    {0x81150000, REASON_DEVICE_EXCEPTION, "BadAlreadyExists"},
    {0x81190000, REASON_OUT_OF_RANGE, "BadEdited_OutOfRange"},
    {0x811a0000, REASON_OUT_OF_RANGE, "BadInitialValue_OutOfRange"},
    {0x811b0000, REASON_OUT_OF_RANGE, "BadOutOfRange_DominantValueChanged"},
    {0x811c0000, REASON_OUT_OF_RANGE, "BadEdited_OutOfRange_DominantValueChanged"},
    {0x811d0000, REASON_OUT_OF_RANGE, "BadOutOfRange_DominantValueChanged_DependentValueChanged"},
    {0x811e0000, REASON_OUT_OF_RANGE, "BadEdited_OutOfRange_DominantValueChanged_DependentValueChanged"},
    {0x811f0000, REASON_DEVICE_EXCEPTION, "BadTicketRequired"},
    {0x81200000, REASON_DEVICE_EXCEPTION, "BadTicketInvalid"},
};
#define STATUSES (sizeof statuses / sizeof *statuses)

/* What people meet, in words. */
static const struct text {
    uint32_t code;
    const char *en, *zh;
} texts[] = {
    {0x80010000, "the server failed unexpectedly", "服务器发生意外错误"},
    {0x80020000, "internal error of the server", "服务器内部错误"},
    {0x80030000, "out of memory", "内存不足"},
    {0x80040000, "a resource of the operating system is not available", "操作系统资源不可用"},
    {0x80050000, "communication error", "通讯错误"},
    {0x80060000, "the message could not be encoded", "报文编码失败"},
    {0x80070000, "the message could not be decoded", "报文解码失败"},
    {0x80080000, "the message is over the limits of size or nesting", "报文超过长度或嵌套限制"},
    {0x800a0000, "no answer in time", "应答超时"},
    {0x800b0000, "the server does not have this service", "服务器不支持该服务"},
    {0x800c0000, "the server is shutting down", "服务器正在关闭"},
    {0x800f0000, "the request names nothing to do", "请求中没有任何操作"},
    {0x80100000, "more operations in one request than the server takes", "单次请求的操作数超过服务器上限"},
    {0x80120000, "the certificate is not valid", "证书无效"},
    {0x80130000, "the security checks failed: signature, encryption or trust of a certificate",
     "安全检查失败：签名、加密或证书信任有误"},
    {0x80140000, "the certificate has expired or is not valid yet", "证书已过期或尚未生效"},
    {0x80150000, "the certificate of an authority has expired or is not valid yet", "颁发机构证书已过期或尚未生效"},
    {0x80160000, "the host name does not stand in the certificate", "主机名与证书不符"},
    {0x80170000, "the application URI does not stand in the certificate", "应用 URI 与证书不符"},
    {0x80180000, "the certificate may not be used for this", "证书用途不允许"},
    {0x80190000, "the certificate of an authority may not issue certificates", "颁发机构证书不得用于签发"},
    {0x801a0000, "the certificate is not trusted", "证书不受信任"},
    {0x801b0000, "whether the certificate was revoked cannot be told: no revocation list",
     "缺少吊销列表，无法确认证书是否吊销"},
    {0x801d0000, "the certificate was revoked", "证书已被吊销"},
    {0x801e0000, "the certificate of an authority was revoked", "颁发机构证书已被吊销"},
    {0x801f0000, "the user may not do this", "用户无权执行该操作"},
    {0x80200000, "the user's token is not valid", "用户令牌无效"},
    {0x80210000, "user name, password or token refused", "用户名、密码或令牌被拒绝"},
    {0x80220000, "the secure channel does not exist", "安全通道不存在"},
    {0x80240000, "the nonce is too short or was used before", "随机数过短或已被使用"},
    {0x80250000, "the session does not exist", "会话不存在"},
    {0x80260000, "the session was closed", "会话已关闭"},
    {0x80270000, "the session is not activated", "会话未激活"},
    {0x80280000, "the subscription does not exist", "订阅不存在"},
    {0x80310000, "the server has no connection to the source of the value", "服务器与数据源没有通讯"},
    {0x80320000, "waiting for the first value", "等待首个数值"},
    {0x80330000, "the node id is not valid", "节点标识无效"},
    {0x80340000, "there is no such node", "节点不存在"},
    {0x80350000, "the node does not have this attribute", "节点没有该属性"},
    {0x80360000, "the index range is not valid", "索引范围无效"},
    {0x80370000, "there is nothing in this index range", "索引范围内没有数据"},
    {0x803a0000, "the node may not be read", "节点不可读"},
    {0x803b0000, "the node may not be written", "节点不可写"},
    {0x803c0000, "the value is out of range", "数值超出范围"},
    {0x803d0000, "not supported", "不支持"},
    {0x803e0000, "not found", "未找到"},
    {0x80420000, "the monitored item does not exist", "监视项不存在"},
    {0x80440000, "the server does not support this filter", "服务器不支持该过滤器"},
    {0x80450000, "a filter is not allowed here", "此处不允许使用过滤器"},
    {0x804a0000, "the continuation point is no longer valid", "续传点已失效"},
    {0x804b0000, "the server has no continuation point left", "服务器续传点已用尽"},
    {0x80540000, "the server does not accept this security mode", "服务器不接受该安全模式"},
    {0x80550000, "the server does not accept this security policy", "服务器不接受该安全策略"},
    {0x80560000, "the server has too many sessions", "服务器会话数已满"},
    {0x80570000, "the signature of the user's certificate is wrong", "用户证书签名错误"},
    {0x80580000, "the signature of the application's certificate is wrong", "应用证书签名错误"},
    {0x80720000, "the server has no such history", "服务器不支持该历史操作"},
    {0x80730000, "the server cannot write value, status and time together", "服务器不支持同时写入值、状态和时间"},
    {0x80740000, "the type of the value does not fit the node", "数值类型与节点不符"},
    {0x80750000, "there is no such method", "方法不存在"},
    {0x80760000, "arguments of the method are missing", "方法缺少参数"},
    {0x80770000, "the server has too many subscriptions", "服务器订阅数已满"},
    {0x80780000, "too many publish requests are waiting", "等待中的发布请求过多"},
    {0x80790000, "the session has no subscription", "会话没有订阅"},
    {0x807d0000, "the server is too busy", "服务器繁忙"},
    {0x807e0000, "a message of an unknown type", "报文类型无效"},
    {0x807f0000, "the server does not know the secure channel", "服务器不认识该安全通道"},
    {0x80800000, "the message is too large", "报文过大"},
    {0x80810000, "not enough resources for the connection", "连接资源不足"},
    {0x80830000, "the server does not know this endpoint URL", "服务器不认识该端点 URL"},
    {0x80850000, "no answer in time", "请求超时"},
    {0x80860000, "the secure channel was closed", "安全通道已关闭"},
    {0x80870000, "the token of the secure channel is unknown or has expired", "安全通道令牌未知或已过期"},
    {0x80880000, "a sequence number does not follow its predecessor", "报文序号不连续"},
    {0x80890000, "configuration error at the server", "服务器端配置错误"},
    {0x808a0000, "the server has no connection to the source of the value", "服务器与数据源未连接"},
    {0x808b0000, "the device behind the server failed", "服务器下位设备故障"},
    {0x808c0000, "the sensor failed", "传感器故障"},
    {0x808d0000, "out of service", "停用"},
    {0x80ab0000, "an argument is not valid", "参数无效"},
    {0x80ac0000, "the connection was refused", "连接被拒绝"},
    {0x80ae0000, "the connection was closed", "连接已关闭"},
    {0x80b80000, "the request is larger than the server takes", "请求超过服务器上限"},
    {0x80b90000, "the answer is larger than the client takes", "应答超过客户端上限"},
    {0x80be0000, "the versions of the protocol do not fit", "协议版本不兼容"},
    {0x80d50000, "the server does not have this aggregate", "服务器不支持该聚合"},
    {0x80db0000, "the server has too many monitored items", "服务器监视项已满"},
    {0x80e60000, "this needs a connection of higher security", "连接的安全级别不足"},
    {0x810d0000, "certificates of the chain are missing", "证书链不完整"},
    {0x81140000, "the certificate does not meet the security policy", "证书不符合安全策略"},
};

static int by_code(const void *key, const void *row)
{
    uint32_t a = *(const uint32_t *)key, b = *(const uint32_t *)row;
    return a < b ? -1 : a > b;
}
#define CODE(code) ((code)&0xffff0000u)
static const struct status *find(uint32_t code)
{
    uint32_t key = CODE(code);
    return bsearch(&key, statuses, STATUSES, sizeof *statuses, by_code);
}

const char *ua_status_name(uint32_t code)
{
    const struct status *s = find(code);
    if (s != NULL) return s->name;
    return ua_good(code) ? "Good" : ua_uncertain(code) ? "Uncertain" : "Bad";
}
const char *ua_status_text(uint32_t code, bool zh)
{
    uint32_t key = CODE(code);
    const struct text *t = bsearch(&key, texts, sizeof texts / sizeof *texts, sizeof *texts, by_code);
    return t == NULL ? NULL : zh ? t->zh : t->en;
}

uint32_t ua_status_find(struct str name, uint32_t unknown)
{
    char text[96];
    ptrdiff_t cut = str_find(name, '_'); /* Bad_NodeIdUnknown is BadNodeIdUnknown */
    bool word = cut == 3 || cut == 4 || cut == 9;
    if (word &&
        (str_starts(name, STR("Good_")) || str_starts(name, STR("Bad_")) || str_starts(name, STR("Uncertain_"))))
        snprintf(text, sizeof text, "%.*s%.*s", (int)cut, name.p, (int)(name.n - (size_t)cut - 1), name.p + cut + 1);
    else
        snprintf(text, sizeof text, "%.*s", STR_ARG(name));
    for (size_t i = 0; i < STATUSES; i++)
        if (strcmp(statuses[i].name, text) == 0) return statuses[i].code;
    return unknown;
}

#define INFO_DATA_VALUE 0x400u /* bits 11..10 are 01: limit and overflow bits count */
enum ua_limit ua_status_limit(uint32_t code)
{
    return (code & 0xc00u) == INFO_DATA_VALUE ? (enum ua_limit)(code >> 8 & 3) : UA_LIMIT_NONE;
}
bool ua_status_overflow(uint32_t code)
{
    return (code & UA_STATUS_OVERFLOW) == UA_STATUS_OVERFLOW && !(code & 0x800u);
}

void ua_status_print(struct buf *out, uint32_t code)
{
    static const char *const limits[] = {"", ", low limit", ", high limit", ", constant"};
    buf_printf(out, "%s (0x%08X%s%s)", ua_status_name(code), (unsigned)code, limits[ua_status_limit(code)],
               ua_status_overflow(code) ? ", overflow" : "");
}

struct ua_quality ua_status_quality(uint32_t code)
{
    static const uint8_t classes[] = {QUALITY_GOOD, QUALITY_UNCERTAIN, QUALITY_BAD, QUALITY_BAD};
    const struct status *s = find(code);
    struct ua_quality q = {classes[code >> 30], s ? s->reason : REASON_NONE};
    enum ua_limit limit = ua_status_limit(code);
    if (q.quality == QUALITY_GOOD && (limit == UA_LIMIT_LOW || limit == UA_LIMIT_HIGH))
        q = (struct ua_quality){QUALITY_UNCERTAIN, REASON_OUT_OF_RANGE};
    if (s == NULL && q.quality == QUALITY_BAD) q.reason = REASON_DEVICE_EXCEPTION;
    return q;
}

/* [reason]: codes for uncertain and bad; good values keep Good except for the two that say how they came about. */
static const uint32_t by_reason[][2] = {
    [REASON_NONE] = {0x40000000, 0x80000000},
    [REASON_COMM_FAILURE] = {0x408f0000, 0x80050000},
    [REASON_NOT_CONNECTED] = {0x408f0000, 0x808a0000},
    [REASON_DEVICE_FAILURE] = {0x40950000, 0x808b0000},
    [REASON_SENSOR_FAILURE] = {0x40930000, 0x808c0000},
    [REASON_OUT_OF_RANGE] = {0x40940000, 0x803c0000},
    [REASON_STALE] = {0x40900000, 0x80310000},
    [REASON_CONFIG_ERROR] = {0x420f0000, 0x80890000},
    [REASON_DEVICE_EXCEPTION] = {0x40950000, 0x808b0000},
    [REASON_NOT_A_NUMBER] = {0x40940000, 0x803c0000},
    [REASON_MANUAL] = {0x42080000, 0x808d0000},
    [REASON_SUBSTITUTED] = {0x40910000, 0x808d0000},
    [REASON_NO_DATA] = {0x40920000, 0x80320000},
    [REASON_OUT_OF_SERVICE] = {0x40900000, 0x808d0000},
    [REASON_LAST_KNOWN] = {0x40900000, 0x80310000},
    [REASON_SHUTDOWN] = {0x40900000, 0x808d0000},
};
#define GOOD_LOCAL_OVERRIDE 0x00960000u
uint32_t ua_quality_status(unsigned quality, unsigned reason)
{
    size_t row = reason < sizeof by_reason / sizeof *by_reason ? reason : REASON_NONE;
    if (quality == QUALITY_GOOD) return reason == REASON_MANUAL ? GOOD_LOCAL_OVERRIDE : UA_GOOD;
    return by_reason[row][quality == QUALITY_UNCERTAIN ? 0 : 1];
}

/* Where a status is not simply "refused by the device". */
static const struct {
    uint32_t code;
    int err;
} errors[] = {
    {0x800a0000, ERR_TIMEOUT},         {0x80850000, ERR_TIMEOUT},     {0x80340000, ERR_NOT_FOUND},
    {0x80330000, ERR_INVALID},         {0x801f0000, ERR_FORBIDDEN},   {0x80210000, ERR_UNAUTHENTICATED},
    {0x80200000, ERR_UNAUTHENTICATED}, {0x803b0000, ERR_FORBIDDEN},   {0x803c0000, ERR_INVALID},
    {0x80740000, ERR_INVALID},         {0x80360000, ERR_INVALID},     {0x803d0000, ERR_UNSUPPORTED},
    {0x800b0000, ERR_UNSUPPORTED},     {0x80720000, ERR_UNSUPPORTED}, {0x80d50000, ERR_UNSUPPORTED},
    {0x80b80000, ERR_TOO_LARGE},       {0x80b90000, ERR_TOO_LARGE},   {0x80080000, ERR_TOO_LARGE},
    {0x80860000, ERR_CLOSED},          {0x80ae0000, ERR_CLOSED},      {0x80260000, ERR_CLOSED},
    {0x800c0000, ERR_UNAVAILABLE},     {0x807d0000, ERR_UNAVAILABLE}, {0x80070000, ERR_PROTOCOL},
    {0x80030000, ERR_NOMEM},
};
int ua_status_error(uint32_t code, const char *what, struct error *e)
{
    if (!ua_bad(code)) return 0;
    int err = ERR_DEVICE;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == CODE(code)) err = errors[i].err;
    const char *en = ua_status_text(code, false), *zh = ua_status_text(code, true);
    const char *name = ua_status_name(code);
    if (en == NULL) return error_set(e, err, "", "%s: %s (0x%08X)", "%s：%s（0x%08X）", what, name, (unsigned)code);
    return error_set(e, err, "", "%s: %s%.0s (%s, 0x%08X)", "%s：%.0s%s（%s，0x%08X）", what, en, zh, name,
                     (unsigned)code);
}
